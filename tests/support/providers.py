"""TensorBoard's two data providers in this process, loaded from a logdir as its command would load them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.context import RequestContext
from tensorboard.data import grpc_provider
from tensorboard.util.grpc_util import ChannelCredsType

from tb_featuremap_plugin.reading.grpc_latency import low_latency
from tb_featuremap_plugin.reading.queries import ProviderSource
from tb_featuremap_plugin.server.loader import SAMPLES
from tests.support.known import known

# TensorBoard's Python loader imports TensorFlow where it is installed, which takes seconds; with this module present it never does.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("notf"))

LOADERS = ("native", "python")
WAIT_SECONDS = 300


class Loaded:
    """A logdir in one of TensorBoard's loaders."""

    def __init__(self, provider: Any, reload: Callable[[], None]) -> None:
        self.provider = low_latency(provider)
        self.reload = reload

    def source(self) -> ProviderSource:
        """A source as a request to the plugin would make it, that remembers nothing."""
        return ProviderSource(self.provider, RequestContext(), "")

    def until(self, done: Callable[[ProviderSource], Any]) -> ProviderSource:
        """Reloads until something holds; the native server reads on its own time."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not done(self.source()):
            assert time.monotonic() < deadline, "the loader did not get so far"
            time.sleep(0.05)
            self.reload()
        return self.source()


@contextmanager
def loaded(loader: str, logdir: Path, samples: Mapping[str, int] | None = None, *, wait: bool = True) -> Iterator[Loaded]:
    """Loads a logdir; with `wait`, until every run with event files has something in it."""
    with _native(logdir, samples or SAMPLES) if loader == "native" else _python(logdir, samples or SAMPLES) as held:
        if wait:
            expected = {path.parent.relative_to(logdir).as_posix() for path in logdir.rglob("*tfevents*")}
            held.until(lambda source: expected <= listed_runs(held.provider))
        yield held


def listed_runs(provider: Any) -> set[str]:
    """Runs that hold anything that we read."""
    calls = {"list_tensors": "featuremaps_stats", "list_blob_sequences": "featuremaps", "list_scalars": "scalars"}
    found = [getattr(provider, call)(RequestContext(), experiment_id="", plugin_name=plugin) for call, plugin in calls.items()]
    return {run for listing in found for run, tags in listing.items() if tags}


@contextmanager
def _python(logdir: Path, samples: Mapping[str, int]) -> Iterator[Loaded]:
    multiplexer = plugin_event_multiplexer.EventMultiplexer(
        size_guidance={"tensors": 10}, tensor_size_guidance={"scalars": 1000, **samples}
    )

    def reload() -> None:
        multiplexer.AddRunsFromDirectory(str(logdir))
        multiplexer.Reload()

    reload()
    yield Loaded(MultiplexerDataProvider(multiplexer, str(logdir)), reload)


@contextmanager
def _native(logdir: Path, samples: Mapping[str, int]) -> Iterator[Loaded]:
    server = pytest.importorskip("tensorboard_data_server")
    if server.server_binary() is None:
        pytest.skip("there is no native data server for this system")
    hints = ",".join(f"{name}={'all' if count == 0 else count}" for name, count in samples.items())
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [server.server_binary(), f"--logdir={logdir}", "--reload=1", f"--samples-per-plugin={hints}", "--port=0"]
        process = subprocess.Popen(
            [*command, f"--port-file={port_file}", "--die-after-stdin"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            yield from _connect(_port(port_file))
        finally:
            known(process.stdin, "pipe to the data server").close()
            process.wait(120)


def _port(port_file: Path) -> int:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (port_file.exists() and port_file.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the data server did not start"
        time.sleep(0.02)
    return int(port_file.read_text())


def _connect(port: int) -> Iterator[Loaded]:
    credentials, options = ChannelCredsType.LOCAL.channel_config()
    options.append(("grpc.max_receive_message_length", 256 * 2**20))
    with grpc.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
        yield Loaded(grpc_provider.GrpcDataProvider(f"localhost:{port}", grpc_provider.make_stub(channel)), lambda: None)
