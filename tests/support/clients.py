"""Asks the backend over WSGI, in this process, and checks what every answer must be."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from tensorboard.backend import application
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client, TestResponse

from tb_featuremap_plugin.server.plugin import FeatureMapsPlugin
from tests.support.frames import read_frame
from tests.support.servers import PLUGIN

ALLOWED = (200, 400, 404)
"""Statuses that an answer may have, whatever is in the logdir and whatever is asked."""

Call = tuple[str, Any, str | None]
"""A call of a provider: its name, its context and the experiment."""


def wsgi_client(provider: Any, **options: Any) -> Client:
    """A client of TensorBoard's own WSGI application with our plugin in it."""
    plugin = FeatureMapsPlugin(TBContext(data_provider=provider, logdir=""))
    return Client(application.TensorBoardWSGI([plugin], data_provider=provider, **options))


def ask(client: Client, route: str, expected: int = 200, **parameters: object) -> TestResponse:
    """The answer of a route, which must have this status."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())
    return ask_raw(client, f"{route}?{query}" if query else route, expected)


def ask_raw(client: Client, address: str, expected: int = 200, **options: Any) -> TestResponse:
    """The same for an address that is spelt out."""
    answer = client.get(f"/{PLUGIN}/{address}", **options)
    assert answer.status_code == expected, answer.get_data()[:500]
    if expected != 200:
        check_error(answer, expected)
    return answer


def ask_anything(client: Client, route: str, **parameters: object) -> TestResponse:
    """An answer, checked for what every answer must be."""
    answer = client.get(f"/{PLUGIN}/{route}?{urlencode(parameters, errors='surrogatepass')}")
    assert answer.status_code in ALLOWED, (answer.status_code, answer.get_data()[:300])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not answer.headers["Content-Type"].startswith("text/html")
    if answer.status_code != 200:
        check_error(answer, answer.status_code)
    return answer


def check_error(answer: TestResponse, status: int) -> None:
    """The body of an error has its shape, says something, and shows no traceback."""
    body = json.loads(answer.get_data())
    assert set(body) == {"ok", "status", "error"}
    assert (body["ok"], body["status"]) == (False, status)
    assert body["error"]
    assert "Traceback" not in body["error"]
    assert answer.headers["Content-Type"] == "application/json"


def json_of(answer: TestResponse) -> Any:
    """The JSON value that an answer holds; an answer of another type has none and fails the test."""
    assert answer.is_json, answer.headers["Content-Type"]
    return answer.json


def walk(client: Client) -> list[dict[str, Any]]:
    """Asks for everything that `/runs` lists. Of pictures that are none the Python loader lists steps, and answers 404."""
    runs: list[dict[str, Any]] = json_of(ask_anything(client, "runs"))["runs"]
    for run in runs:
        _walk_numbers(client, run)
        for picture in run["pictures"]:
            place = {"run": run["run"], "kind": picture["kind"], "name": picture["name"]}
            read_frame(ask_anything(client, "channels", **place).data)
            assert picture["steps"] == sorted(set(picture["steps"]))
            for step in picture["steps"]:
                ask_anything(client, "picture", **place, step=step, v=picture["version"])
    report = json_of(ask_anything(client, "diagnosis"))
    assert [run["run"] for run in report["runs"]] == [run["run"] for run in runs]
    for run in runs:
        assert json_of(ask_anything(client, "comparison", a=run["run"], b=runs[0]["run"]))["a"] == run["title"]
    return runs


def _walk_numbers(client: Client, run: dict[str, Any]) -> None:
    name = run["run"]
    for table, rows in (("layers", run["layer_rows"]), ("variables", run["variable_rows"]), ("progress", [])):
        header, arrays = read_frame(ask_anything(client, "table", run=name, table=table).data)
        assert arrays["values"].shape == (len(arrays["steps"]), len(header["rows"]), len(header["columns"]))
        assert (np.diff(arrays["steps"]) > 0).all()
        assert set(header["rows"]) <= {*rows, "run"}
    read_frame(ask_anything(client, "losses", run=name).data)
    for of, names in json_of(ask_anything(client, "scalars", run=name))["scalars"].items():
        for tag in names:
            ask_anything(client, "scalars", run=name, of=of, tag=tag)


class Recorder:
    """Passes every call on to a provider, and remembers who asked for which experiment."""

    def __init__(self, provider: Any, asked_for: list[Call]) -> None:
        self._provider = provider
        self._asked_for = asked_for

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._provider, name)

        def call(context: Any = None, **arguments: Any) -> Any:
            self._asked_for.append((name, context, arguments.get("experiment_id")))
            return method(context, **arguments)

        return call
