"""One question to a logdir in a process of its own, so that its memory can be told: prints seconds, CPU seconds and bytes as JSON.

`python -m benchmarks.reader listing|table|diagnosis|picture LOGDIR SERIES LAST_STEP` asks as the tab does, through TensorBoard's native
data server, which has loaded the logdir before the clock starts: so many series up to their last step.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peak import peak_bytes
from benchmarks.reading import context, native_provider, wait_until


def main() -> int:
    """Asks, and prints what it took; the bytes are the most that the process ever held."""
    question, logdir, series, last_step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    provider = native_provider(logdir)
    wait_until(lambda: _last_steps(provider) == [last_step] * series)
    ask = _questions(provider)[question]
    wall, cpu = time.perf_counter(), time.process_time()
    ask()
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({**taken, "bytes": peak_bytes()}))
    return 0


def _last_steps(provider: Any) -> list[int]:
    """Of all packed tables of layers, and of all pictures of maps."""
    tensors = provider.list_tensors(context(), experiment_id="", plugin_name="featuremaps_stats")
    blobs = provider.list_blob_sequences(context(), experiment_id="", plugin_name="featuremaps")
    listed = [(tag, series) for found in (tensors, blobs) for tags in found.values() for tag, series in tags.items()]
    return [series.max_step for tag, series in listed if tag == "featuremaps/layers" or tag.startswith("featuremaps/maps/")]


def _questions(provider: Any) -> dict[str, Callable[[], object]]:
    from tb_featuremap_plugin.reading.grpc_latency import low_latency
    from tb_featuremap_plugin.reading.queries import ProviderSource
    from tb_featuremap_plugin.server import api

    source = ProviderSource(low_latency(provider), context(), "")
    return {
        "listing": lambda: json.dumps(api.runs(source)),
        "table": lambda: api.table(source, "run0", "variables"),
        "diagnosis": lambda: json.dumps(api.diagnosis(source)),
        "picture": lambda: api.picture(source, "run0", "maps", "conv0", 0),
    }


if __name__ == "__main__":
    sys.exit(main())
