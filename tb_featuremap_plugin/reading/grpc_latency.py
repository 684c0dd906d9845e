"""TensorBoard's native data server without its stalls.

The server sends many a small answer in two parts, and holds the second back until the first is acknowledged (Nagle's algorithm); this side
puts that off for 40 ms (delayed acknowledgements), unless it has something to send. So a call that is not answered at once is followed by
tiny ones, which carry the acknowledgement: an answer of 44 ms comes in 1 to 2 ms then. Answers to the tiny ones are held back as well, so
none of them waits for the one before.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_FIRST_DELAY = 0.0005
_NUDGES = 7
"""Each waits twice as long as the one before; the last comes after 64 ms, when nothing is held back any more."""

_IDLE_SECONDS = 10.0
"""The thread ends when there has been no call for so long."""


def low_latency(provider: Any) -> Any:
    """The provider itself, or, where it asks the native data server, one that answers the same without stalls."""
    native = sys.modules.get("tensorboard.data.grpc_provider")  # Where it was not imported, nobody can have made one.
    return LowLatencyProvider(provider) if native is not None and isinstance(provider, native.GrpcDataProvider) else provider


class LowLatencyProvider:
    """A data provider's calls, each followed by tiny ones until it is answered.

    Args:
        provider: a `DataProvider` that asks a server.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._nudger = _Nudger(provider)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._provider, name)

        def call(context: Any, **arguments: Any) -> Any:
            with self._nudger.until_answered(context, arguments.get("experiment_id", "")):
                return method(context, **arguments)

        return call


class _Nudger:
    """A thread that sends something whenever an answer is waited for."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._senders = ThreadPoolExecutor(_NUDGES, thread_name_prefix="featuremaps-nudge")
        self._changed = threading.Condition()
        self._waiting = 0
        self._newest: tuple[Any, str] | None = None
        self._runs = False

    @contextlib.contextmanager
    def until_answered(self, context: Any, experiment_id: str) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            self._newest = context, experiment_id
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="featuremaps-latency", daemon=True).start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._waiting -= 1

    def _run(self) -> None:
        while (asked := self._next()) is not None:
            for nudge in range(_NUDGES):
                time.sleep(_FIRST_DELAY * 2**nudge)
                if not self._waiting or self._newest is not None:
                    break
                self._senders.submit(self._send, *asked)

    def _next(self) -> tuple[Any, str] | None:
        """Who asked last, once there is a call that came after the last one seen; None ends the thread."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest is not None, _IDLE_SECONDS):
                self._runs = False
            asked, self._newest = self._newest, None
            return asked

    def _send(self, context: Any, experiment_id: str) -> None:
        with contextlib.suppress(Exception):  # Only the call that is waited for has anything to say.
            self._provider.experiment_metadata(context, experiment_id=experiment_id)
