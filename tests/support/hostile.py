"""Everything that should not be in a logdir, by the handful: names, steps, bytes, tensors and metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

from tb_featuremap_plugin.format import record, run_record
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.support import logdirs

NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "../../../etc/passwd",
    "/",
    "//",
    "..",
    "a\\b",
    "%2e%2e%2f",
    "&run=x#y?z=1",
    "' or 1=1 --",
    "\u202egnp.exe",
    "\u200f\u200e\u2066right\u2069",
    "\x00\x01\x1b[31m",
    "line\nbreak\r\n",
    " ",
    "",
    "x" * 10_000,
    "\U0001f600" * 50,
    "e\u0301\u0327",
    "__proto__",
    "constructor",
    "NaN",
    "null",
    "0",
    "@inputs",
    "conv1/kernel:0",
]

names = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
steps = st.sampled_from([0, 0, 1, -1, 2**31, -(2**31), 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]) | st.integers(-5, 20)
wall_times = st.none() | st.sampled_from([0.0, -1.0, 1e300, float("inf"), float("-inf"), 1_700_000_000.5])
contents = st.sampled_from(
    [b'{"version":1}', b'{"version":2}', b"", b"{", b"[]", b"\xff", b'{"version":true}', b'{"version":-1}', b" " * 1000]
)
floats = st.sampled_from([0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 3e38, 1e-45, 2.0**24])


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Tensors of any shape and type, rarely the right one."""
    shape = draw(st.sampled_from([(), (0,), (1,), (3,), (0, 0), (1, 30), (2, 30), (2, 40), (1, 17), (3, 2), (2, 200), (50, 1), (1, 1, 1)]))
    dtype = draw(st.sampled_from(["float32"] * 6 + ["float64", "int64", "uint8", "bool", "float16"]))
    values = np.full(shape, draw(floats), "float64")
    if values.size:
        values.flat[draw(st.integers(0, values.size - 1))] = draw(floats)
    with np.errstate(all="ignore"):
        return np.nan_to_num(values).astype(dtype) if np.dtype(dtype).kind in "iub" else values.astype(dtype)


@st.composite
def blobs(draw: st.DrawFn) -> bytes:
    """Pictures and run records, whole and damaged."""
    good = draw(st.sampled_from([_good_maps(), _good_filters(), _good_run()]))
    found: bytes = draw(st.just(good) | st.binary(max_size=60) | damaged(good) | lying(good))
    return found


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes changed, cut out, doubled or cut off."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(["flip", "cut", "double", "end"]))
        if how == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif how == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif how == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
        else:
            del data[at:]
    return bytes(data)


LIES: list[Any] = [None, -1, 0, 2**62, "x", [], {}, [2**40, 2**40], [0, 2**62], [-1, 5], "float64", [[1]], ["min"] * 3, [1.5], True]


@st.composite
def lying(draw: st.DrawFn, good: bytes) -> bytes:
    """A header that says something else than the sections hold."""
    length = int.from_bytes(good[:8], "little")
    header = json.loads(good[8 : 8 + length])
    section = draw(st.sampled_from(sorted(header["sections"])))
    key = draw(st.sampled_from(["dtype", "shape", "offsets", "version", "stats", "kind", "sections", "length"]))
    value = draw(st.sampled_from(LIES))
    if key in ("dtype", "shape", "offsets"):
        header["sections"][section][key] = value
    else:
        header[key] = value
    text = json.dumps(header).encode()
    claimed = value if key == "length" and type(value) is int and value > 0 else len(text)
    return claimed.to_bytes(8, "little") + text + good[8 + length :]


@st.composite
def metadatas(draw: st.DrawFn) -> SummaryMetadata | None:
    """Ours, mostly; or of another plugin, class or version, or none."""
    if draw(st.integers(0, 9)) == 0:
        return None
    plugin = draw(st.sampled_from(["featuremaps", "featuremaps_stats"] * 4 + ["scalars", "images", "", "x" * 300]))
    classes = {"featuremaps": 3, "featuremaps_stats": 2, "scalars": 1}
    data_class = draw(st.sampled_from([classes.get(plugin, 2)] * 5 + [0, 1, 2, 3]))
    content = draw(st.just(b'{"version":1}') | contents)
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content), data_class=data_class)


PACKED = [*(f"featuremaps/{name}" for name in ("run", "layers", "variables", "losses", "progress", "start")), "loss"]
PREFIXES = [f"featuremaps/{name}/" for name in ("maps", "filters", "inputs", "first/maps", "layers", "variables", "nothing")]
any_tags = st.sampled_from(PACKED) | st.tuples(st.sampled_from(PREFIXES), names).map("".join)


@st.composite
def logs(draw: st.DrawFn) -> Callable[[Path], None]:
    """A file full of such events; called with the run's folder, it is written there."""
    contents_of_any_kind = st.one_of(arrays(), blobs(), st.lists(blobs(), max_size=3))
    events = draw(st.lists(st.tuples(any_tags, steps, metadatas(), contents_of_any_kind, wall_times), max_size=12))
    starts = draw(st.lists(st.tuples(st.integers(0, 11), steps), max_size=2))
    record_first = draw(st.booleans())
    tail = draw(st.binary(max_size=30))

    def write(folder: Path) -> None:
        log = logdirs.EventLog(folder)
        if record_first:
            log.blob(tags.RUN_TAG, 0, _good_run())
        for index, (tag, step, meta, content, wall_time) in enumerate(events):
            for _, at in [start for start in starts if start[0] == index]:
                log.start(at)
            log.value(tag, step, tensor_util.make_tensor_proto(content), meta, wall_time=wall_time)
        log.raw(tail)

    return write


def write_named(logdir: Path) -> Path:
    """A logdir with layers and variables of every hostile name, and runs of those that a file system takes."""
    log = logdirs.EventLog(logdir)
    log.run(logdirs.small_record(NAMES))
    log.tensor(tags.LAYERS_TAG, 0, np.zeros((len(NAMES), 30), np.float32))
    for name in NAMES:
        log.maps(name, 3)
        log.tensor(f"{tags.VARIABLES_TAG}/{name}", 3, np.zeros((1, 40), np.float32))
    for name in ("<b>run<b>", "\u202erun", "a b&c=d", "x" * 200, "%2F", "'quoted\"", "featuremaps"):
        logdirs.EventLog(logdir / name).maps("conv1", 0)
    return logdir


def _good_maps() -> bytes:
    return logdirs.maps_blob("conv1", logdirs.maps_values(1))


def _good_filters() -> bytes:
    values = np.ones((2, 1, 3, 3), np.float32)
    header = {
        "kind": "filters",
        "name": "conv1/kernel",
        "layout": "OIHW",
        "shape": [2, 1, 3, 3],
        "filters": [0, 1],
        "stats": ["min", "max"],
    }
    return record.encode(header, {"stats": np.ones((2, 2), np.float32), "values": values})


def _good_run() -> bytes:
    layers = tuple(Layer(name, weights=(f"{name}/kernel",)) for name in (*NAMES[:3], "conv1"))
    return run_record.encode(RunRecord(layers=layers, layer_rows=("a", "a", NAMES[0]), variable_rows=("b", "conv1/kernel"), loss="mse"))
