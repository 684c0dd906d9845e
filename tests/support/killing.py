"""Kills writers in the middle of their work, and looks at what they left."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.run import Source
from tests.support import children
from tests.support.known import known, variables_of

WRITER = """
writer = fm.Writer(sys.argv[1])
for step in range(10**9):
    log(writer, step)
    writer.flush()
    print(step, flush=True)
"""


def write_until_killed(folder: Path, seed: int) -> int:
    """Lets a process write into a folder, kills it by SIGKILL at a random moment, and returns the last step that it had flushed."""
    luck = random.Random(seed)
    with children.running(WRITER, folder) as process:
        lines = [children.output_of(process).readline() for _ in range(luck.randint(1, 60))]
        for _ in range(luck.randint(0, 20_000)):
            pass  # the writer is now anywhere between two flushes
        process.kill()
        lines += children.output_of(process).readlines()
    return children.last_number(lines)


def assert_all_there(source: Source, run: str, last: int) -> None:
    """Every step up to `last` is in the run, with the values that were logged."""
    found = source.run(run)
    assert found.problems == ()
    steps = {series.name: series.steps.tolist() for series in found.pictures}
    assert steps["conv"][: last + 1] == list(range(last + 1))
    assert len(steps["conv"]) <= last + 2
    means = [known(mean, "picture") for mean in source.map_pictures(run, "maps", "conv", range(last + 1), mean_of)]
    np.testing.assert_array_equal(np.stack(means), np.repeat(np.arange(last + 1, dtype=np.float32)[:, None], 4, axis=1))
    assert variables_of(found).steps.tolist()[: last + 1] == list(range(last + 1))
    norms = variables_of(found).column("kernel", "norm")[: last + 1]
    np.testing.assert_allclose(norms, 10 * (np.arange(last + 1) + 2), rtol=1e-6)


def mean_of(blob: bytes) -> np.ndarray:
    """The channels' means that a picture states."""
    parsed = record.decode(blob)
    means: np.ndarray = parsed.array("stats")[parsed.header["stats"].index("mean")]
    return means
