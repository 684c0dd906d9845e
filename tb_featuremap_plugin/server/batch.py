"""Several answers in one response: each part is asked for by its own address and answered as its own route would answer it.

A first view takes a dozen small answers, browsers ask for six at a time, and every request alone lists the logdir again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from werkzeug import wrappers

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.server.query_params import BadParameterError

AT_ONCE = 8
"""Parts that are answered at the same time."""

_OK = 200


@dataclass(frozen=True)
class Part:
    """One address of a batch.

    Attributes:
        route: such as "/table".
        request: as if this address alone had been asked for, uncompressed, by whoever asked for the batch.
    """

    route: str
    request: wrappers.Request


def parts(request: wrappers.Request, addresses: Sequence[str], routes: Iterable[str]) -> list[Part]:
    """The parts of a batch, in the order asked for.

    Args:
        request: the batch itself.
        addresses: routes with their queries, such as "losses?run=a".
        routes: those that may be asked for, such as "/losses".

    Raises:
        BadParameterError: there is no address, there are too many, or one of them has another route.
    """
    if not 1 <= len(addresses) <= limits.MAX_BATCH_PARTS:
        raise BadParameterError(f"parameter 'get' is given {len(addresses)} times; allowed are 1 to {limits.MAX_BATCH_PARTS}")
    allowed = sorted(routes)
    return [_part(request, address, allowed) for address in addresses]


def answer(
    asked: Sequence[Part],
    serve: Callable[[Part], wrappers.Response],
    refuse: Callable[[Part], wrappers.Response],
    pool: Executor,
) -> tuple[bytes, int]:
    """The body of a batch, and for how many seconds it may be kept: as long as every part of it.

    Args:
        asked: at least one part.
        serve: answers a part; called from several threads.
        refuse: answers a part that would make the whole too large; it can be asked for alone.
        pool: where parts are answered. `serve` must not wait for it.
    """
    answers = list(_bounded(asked, serve, refuse, pool))
    described = [{"status": one.status_code, "bytes": len(one.get_data())} for one in answers]
    kept = min(one.cache_control.max_age or 0 if one.status_code == _OK else 0 for one in answers)
    return b"".join([record.encode({"kind": "batch", "parts": described}, {}), *(one.get_data() for one in answers)]), kept


def _part(request: wrappers.Request, address: str, allowed: Sequence[str]) -> Part:
    name, _, query = address.partition("?")
    route = f"/{name}"
    if route not in allowed:
        raise BadParameterError(f"a batch has no {name!r:.100}; allowed are {[one.removeprefix('/') for one in allowed]}")
    environ = {name: value for name, value in request.environ.items() if name != "HTTP_ACCEPT_ENCODING"}
    latin1 = query.encode("utf-8", "replace").decode("latin-1")  # as WSGI hands bytes over
    return Part(route, wrappers.Request({**environ, "REQUEST_METHOD": "GET", "QUERY_STRING": latin1}, populate_request=False))


def _bounded(
    asked: Sequence[Part], serve: Callable[[Part], wrappers.Response], refuse: Callable[[Part], wrappers.Response], pool: Executor
) -> Iterator[wrappers.Response]:
    """Answers a few parts at once, and refuses what comes after too many bytes."""
    total = 0
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        for part, one in zip(some, pool.map(serve, some) if total < limits.MAX_BATCH_BYTES else map(refuse, some), strict=True):
            total += len(one.get_data())
            yield one if total <= limits.MAX_BATCH_BYTES else refuse(part)
