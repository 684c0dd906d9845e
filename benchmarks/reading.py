"""The first answer of our backend for a large logdir, against what the data provider itself takes to list it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.folders import fresh
from benchmarks.harness import Comparison, Goal, Variant

if TYPE_CHECKING:
    from tensorboard.context import RequestContext

LAYERS, STEPS, SIDE = 10, 100, 448
OURS, LISTING = "the first /runs, nothing kept from before", "the data provider lists its blob sequences and tensors"


_SERVERS: list[Any] = []
"""The data server ends when its ingester is collected."""


def comparisons() -> list[Comparison]:
    """1000 pictures of 200 KB behind the native data server."""
    folder = fresh("reading")
    _write(folder)
    provider = native_provider(folder)
    _wait_for_pictures(provider)
    return [_listing(provider)]


def _write(folder: Path) -> None:
    import tb_featuremap_plugin as fm

    rng = np.random.default_rng(0)
    noise = rng.random((1, SIDE, SIDE, 1), dtype=np.float32)
    tiles = noise.reshape(1, SIDE // 4, SIDE // 4, 16)
    with fm.Writer(folder / "run") as writer:
        for step in range(STEPS):
            for layer in range(LAYERS):
                writer.feature_maps(f"conv{layer}", tiles, step=step)


def native_provider(folder: Path) -> Any:
    """The data provider of a native data server that serves a logdir."""
    from tensorboard.data import server_ingester
    from tensorboard.util import grpc_util

    server = server_ingester.get_server_binary()
    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=server,
        logdir=str(folder),
        reload_interval=5,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin={"featuremaps": 1000, "featuremaps_stats": 1000},
    )
    ingester.start()
    _SERVERS.append(ingester)
    return ingester.data_provider


def wait_until(loaded: Callable[[], bool]) -> None:
    """The data server answers while it still loads."""
    for _ in range(600):
        if loaded():
            return
        time.sleep(0.1)
    raise RuntimeError("after a minute the data server has not loaded the logdir")


def wait_for_tensors(provider: Any, tag: str, last: int) -> None:
    """Returns when the series of numbers has been read up to its last step."""

    def loaded() -> bool:
        listed = provider.list_tensors(context(), experiment_id="", plugin_name="featuremaps_stats")
        return any(tags[tag].max_step == last for tags in listed.values() if tag in tags)

    wait_until(loaded)


def _wait_for_pictures(provider: Any) -> None:
    def loaded() -> bool:
        listed = _list(provider)
        return len(listed) == LAYERS and all(series.max_step == STEPS - 1 for series in listed.values())

    wait_until(loaded)


def context() -> RequestContext:
    """What a request would carry."""
    from tensorboard.context import RequestContext

    return RequestContext()


def _list(provider: Any) -> dict[str, Any]:
    listed = provider.list_blob_sequences(context(), experiment_id="", plugin_name="featuremaps")
    return {tag: series for tags in listed.values() for tag, series in tags.items() if tag.startswith("featuremaps/maps/")}


def _listing(provider: Any) -> Comparison:
    from tb_featuremap_plugin.reading.grpc_latency import low_latency
    from tb_featuremap_plugin.reading.queries import ProviderSource
    from tb_featuremap_plugin.server import api

    def list_all() -> None:
        asking = context()
        provider.list_blob_sequences(asking, experiment_id="", plugin_name="featuremaps")
        provider.list_tensors(asking, experiment_id="", plugin_name="featuremaps_stats")
        provider.read_blob_sequences(asking, experiment_id="", plugin_name="featuremaps", downsample=10**6)

    fast = low_latency(provider)

    def first_answer() -> None:
        api.runs(ProviderSource(fast, context(), ""))

    goal = Goal("first JSON of 1000 records, 200 MB, against the provider's own listing", OURS, LISTING, "wall", 1.5)
    return Comparison(
        "1000 pictures of 200 KB behind the native data server", [Variant(LISTING, list_all), Variant(OURS, first_answer)], [goal]
    )
