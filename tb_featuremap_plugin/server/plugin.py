"""HTTP: the routes of docs/http_api.md as WSGI applications. What they answer is made by `api`."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tb_featuremap_plugin.reading.cache import Cache
from tb_featuremap_plugin.reading.grpc_latency import low_latency
from tb_featuremap_plugin.reading.queries import Memory, ProviderSource
from tb_featuremap_plugin.reading.run import MissingError
from tb_featuremap_plugin.schema import limits, tags
from tb_featuremap_plugin.server import api, assets, batch
from tb_featuremap_plugin.server.file_damage import FileDamage
from tb_featuremap_plugin.server.picture_versions import PictureVersions
from tb_featuremap_plugin.server.query_params import BadParameterError, Parameters

_FRAME = "application/octet-stream"
_JSON = "application/json"
_A_YEAR = 365 * 24 * 3600

_logger = logging.getLogger(__name__)

WsgiApp = Callable[[Any, Any], Any]
Headers = Sequence[tuple[str, str]]
Serve = Callable[[wrappers.Request, ProviderSource], wrappers.Response]


class FeatureMapsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The Feature Maps tab.

    Args:
        context: TensorBoard's. Its data provider is what is read from; event files below its logdir are only checked for damage.
    """

    plugin_name = tags.PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._provider = low_latency(context.data_provider)
        self._memory = Memory()
        self._damage = FileDamage(context.logdir)
        self._salt = os.urandom(4).hex()
        self._versions = PictureVersions(self._salt)
        self._listings: Cache[str] = Cache(limits.MAX_BATCH_BYTES, len)
        self._parts = ThreadPoolExecutor(batch.AT_ONCE, thread_name_prefix="featuremaps-part")
        self._routes: dict[str, Serve] = {
            "/runs": self._serve_runs,
            "/diagnosis": self._serve_diagnosis,
            "/comparison": _serve_comparison,
            "/table": _serve_table,
            "/losses": _serve_losses,
            "/scalars": _serve_scalars,
            "/picture": _serve_picture,
            "/channels": _serve_channels,
        }

    def get_plugin_apps(self) -> dict[str, WsgiApp]:
        """Routes, below `/data/plugin/featuremaps`."""
        static = {f"/{name}": _application(functools.partial(_serve_static, name)) for name in assets.TYPES}
        routes = {**self._routes, "/batch": self._serve_batch}
        return {**static, **{route: _application(functools.partial(self._with_source, serve)) for route, serve in routes.items()}}

    def is_active(self) -> bool:
        """False: TensorBoard itself looks for data under our names, and asks only where it found none."""
        return False

    def data_plugin_names(self) -> tuple[str, str]:
        """The plugin names whose data makes the tab appear."""
        return tags.PLUGIN_NAME, tags.STATS_PLUGIN_NAME

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Where the frontend is, and what the tab is called."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{assets.MODULE}", tab_name="Feature Maps")

    def _with_source(self, serve: Serve, request: wrappers.Request) -> wrappers.Response:
        context = plugin_util.context(request.environ)
        experiment = plugin_util.experiment_id(request.environ)
        return serve(request, ProviderSource(self._provider, context, experiment, self._memory))

    def _serve_runs(self, request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
        """The answer of `/runs`, made anew only when a run has changed; a browser that has it already is told so."""
        Parameters(request).done()
        tag = f"{self._salt}-{source.fingerprint()}"
        if request.if_none_match.contains(tag):
            return wrappers.Response(status=304, headers=_validated(tag))
        version_of = functools.partial(self._versions.version, source.experiment_id)
        text = self._listings.get(source.experiment_id, lambda: _json_text(api.runs(source, version_of)), tag)
        return _respond(request, text, _JSON, headers=_validated(tag))

    def _serve_diagnosis(self, request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
        parameters = Parameters(request)
        names = parameters.several("run")
        parameters.done()
        return _respond_json(request, api.diagnosis(source, names, self._damage.of))

    def _serve_batch(self, request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
        parameters = Parameters(request)
        addresses = parameters.several("get")
        parameters.done()
        asked = batch.parts(request, addresses, self._routes)
        if any(part.route != "/picture" for part in asked):
            source.outlines()  # One listing for all parts; each would make its own. Pictures that are known need none.

        def serve(part: batch.Part) -> wrappers.Response:
            return _answer(lambda one: self._routes[part.route](one, source), part.request)

        body, kept = batch.answer(asked, serve, _refuse, self._parts)
        return _respond_frame(request, body, expires=kept)


def _serve_comparison(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    a, b = parameters.one("a"), parameters.one("b")
    parameters.done()
    return _respond_json(request, api.comparison(source, a, b))


def _serve_table(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    run, table = parameters.one("run"), parameters.one("table")
    columns, rows = parameters.optional("columns"), parameters.several("rows")
    parameters.done()
    return _respond_frame(request, api.table(source, run, table, columns.split(",") if columns else (), rows))


def _serve_losses(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    run = parameters.one("run")
    parameters.done()
    return _respond_frame(request, api.losses(source, run))


def _serve_scalars(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    run, tag, of = parameters.one("run"), parameters.optional("tag"), parameters.optional("of")
    parameters.done()
    if tag is None and of is None:
        return _respond_json(request, api.scalar_names(source, run))
    if tag is None or of is None:
        raise BadParameterError("parameters 'tag' and 'of' are given together or not at all")
    return _respond_frame(request, api.scalars(source, run, of, tag))


def _serve_picture(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    run, kind, name = parameters.one("run"), parameters.one("kind"), parameters.one("name")
    step, version = parameters.step("step"), parameters.optional("v")
    parameters.done()
    return _respond_frame(request, api.picture(source, run, kind, name, step), expires=_A_YEAR if version else 0)


def _serve_channels(request: wrappers.Request, source: ProviderSource) -> wrappers.Response:
    parameters = Parameters(request)
    run, kind, name = parameters.one("run"), parameters.one("kind"), parameters.one("name")
    parameters.done()
    return _respond_frame(request, api.channels(source, run, kind, name))


def _serve_static(name: str, request: wrappers.Request) -> wrappers.Response:
    content = assets.compressed(name)
    if content is None:
        return _respond_error(request, 404, f"{name} was not built; run `make frontend`")
    return _respond(request, content, assets.TYPES[name], content_encoding="gzip")


def _application(serve: Callable[[wrappers.Request], wrappers.Response]) -> WsgiApp:
    """A WSGI application that takes GET and HEAD."""

    @wrappers.Request.application
    def application(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            return _respond_error(
                request, 405, f"method {request.method} is not allowed; allowed are GET and HEAD", [("Allow", "GET, HEAD")]
            )
        return _answer(serve, request)

    return application


def _answer(serve: Callable[[wrappers.Request], wrappers.Response], request: wrappers.Request) -> wrappers.Response:
    """What `serve` answers; every failure as JSON of one shape, without a traceback."""
    try:
        return serve(request)
    except MissingError as error:
        return _respond_error(request, 404, str(error.args[0]))
    except (BadParameterError, api.ArgumentError) as error:
        return _respond_error(request, 400, str(error))
    except errors.PublicError as error:
        return _respond_error(request, error.http_code, str(error), error.headers)
    except Exception:
        _logger.exception("%s could not be answered", request.path)
        return _respond_error(request, 503, "TensorBoard's data could not be read; its log says more")


def _refuse(part: batch.Part) -> wrappers.Response:
    return _respond_error(part.request, 413, f"a batch holds at most {limits.MAX_BATCH_BYTES} bytes; ask for this alone")


def _respond_json(request: wrappers.Request, content: Mapping[str, Any], status: int = 200, headers: Headers = ()) -> wrappers.Response:
    return _respond(request, _json_text(content), _JSON, code=status, headers=list(headers))


def _json_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _validated(tag: str) -> list[tuple[str, str]]:
    """Headers by which a browser asks whether what it has still holds."""
    return [("ETag", f'"{tag}"'), ("Vary", "Accept-Encoding")]


def _respond_frame(request: wrappers.Request, frame: bytes, expires: int = 0) -> wrappers.Response:
    return _respond(request, frame, _FRAME, expires=expires)


def _respond(request: wrappers.Request, content: str | bytes, content_type: str, **options: Any) -> wrappers.Response:
    response: wrappers.Response = http_util.Respond(request, content, content_type, **options)
    return response


def _respond_error(request: wrappers.Request, status: int, message: str, headers: Headers = ()) -> wrappers.Response:
    return _respond_json(request, {"ok": False, "status": status, "error": message}, status, headers)
