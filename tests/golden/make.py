"""Writes the golden records: `python -m tests.golden.make`.

Each is `<name>.bin` with `<name>.json`: the header and every section's decoded values, or the error that reading must end in.
They stand for format version 1 for ever: a later version of the code must read them, and writing them again must give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tb_featuremap_plugin.format import record, run_record
from tb_featuremap_plugin.images import pictures
from tb_featuremap_plugin.images.options import FilterOptions, MapOptions
from tb_featuremap_plugin.schema.network import Layer, Probe, RunRecord

FOLDER = Path(__file__).parent


def good() -> dict[str, bytes]:
    """Records that must be read."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(2 * 6 * 5 * 4) / 7).reshape(2, 6, 5, 4).astype(np.float32)
    odd = wave.copy()
    odd[0, 0, 0, 0], odd[0, 0, 1, 0], odd[1, 2, 2, 0] = np.nan, np.inf, -np.inf
    odd[..., 1], odd[..., 2] = 2.5, np.nan
    large = rng.normal(0, 0.05, (5, 5, 101, 100)).astype(np.float32)
    bias = np.linspace(-1, 1, 4, dtype=np.float32)
    options = FilterOptions(layout="HWIO", layer="conv", max_filters=4)
    return {
        "maps_uint8": pictures.maps_record("conv", odd, MapOptions(activation="relu", max_images=2), ordinal=3, inputs="conv"),
        "maps_channels": pictures.maps_record("conv", wave, MapOptions(max_channels=2, description="*two*")),
        "maps_reduced": pictures.maps_record("conv", np.arange(150 * 260, dtype=np.float32).reshape(1, 150, 260, 1) % 97),
        "maps_float32": pictures.maps_record("conv", odd, MapOptions(precision="float32")),
        "maps_float16": pictures.maps_record("conv", wave, MapOptions(precision="float16", layout="NHWC")),
        "maps_dense": pictures.maps_record("fc", wave[:, 0, 0], MapOptions(activation="softmax", max_images=2)),
        "maps_1d": pictures.maps_record("conv1d", wave[:, 0], MapOptions(layout="NWC")),
        "maps_3d": pictures.maps_record("conv3d", wave.reshape(1, 3, 4, 5, 4), MapOptions(layout="NCDHW")),
        "maps_empty": pictures.maps_record("conv", wave[:0]),
        "inputs": pictures.inputs_record("x", np.abs(wave[..., :3]), MapOptions(max_images=2), ordinal=1),
        "filters_small": pictures.filters_record(
            "conv/kernel", wave[0, :3, :3, :, None].repeat(4, 3) * bias, options, bias=bias, ordinal=1
        ),
        "filters_depthwise": pictures.filters_record("dw/kernel", wave[:, :3, :3].transpose(1, 2, 3, 0), FilterOptions(layout="HWIM")),
        "filters_dense": pictures.filters_record("fc/kernel", wave[0, 0], FilterOptions(layout="IO")),
        "filters_large": pictures.filters_record(
            "conv/kernel", large, FilterOptions(layout="HWIO", max_filters=100), initial=large * 0, previous=large * np.float32(0.999)
        ),
        "filters_reduced": pictures.filters_record(
            "fc/kernel", rng.normal(0, 1, (5200, 50)).astype(np.float32), FilterOptions("IO", max_filters=300)
        ),
        "run": run_record.encode(_run()),
    }


def bad() -> dict[str, tuple[bytes, str]]:
    """Records that must be refused, and the class of the error."""
    whole = record.encode({"kind": "maps", "name": "x"}, {"pixels": np.zeros((1, 1, 2, 2), np.uint8)})
    header = json.dumps({"version": 1, "kind": "maps", "sections": {"pixels": {"dtype": "uint8", "shape": [1 << 40], "offsets": [0, 4]}}})
    lying = len(header).to_bytes(8, "little") + header.encode() + b"\x1f\x8b\x08\x00"
    return {
        "bad_cut_off": (whole[:-5], "FormatError"),
        "bad_header_length": ((1 << 60).to_bytes(8, "little") + whole[8:], "FormatError"),
        "bad_huge_section": (lying, "FormatError"),
        "bad_shape": (whole.replace(b'"shape":[1,1,2,2]', b'"shape":[1,1,2,3]'), "FormatError"),
        "bad_newer_version": (whole.replace(b'"version":1', b'"version":2'), "NewerVersionError"),
        "bad_json": (whole.replace(b'{"kind"', b'["kind"'), "FormatError"),
        "bad_empty": (b"", "FormatError"),
    }


def expected(blob: bytes) -> dict[str, object]:
    """What reading a record gives, as JSON: numbers that JSON does not have are strings."""
    read = record.decode(blob)
    sections = {}
    for name, section in read.sections.items():
        values = read.array(name)
        sections[name] = {"dtype": section.dtype, "shape": list(section.shape), "values": _plain(values)}
    result: dict[str, object] = {"header": dict(read.header), "sections": sections}
    if "pixels" in sections and read.sections["pixels"].dtype == "uint8":
        result["pixels"] = _plain(_dequantise(read))
    return result


def _dequantise(read: record.Record) -> np.ndarray:
    codes = read.array("pixels").astype(np.float64)
    names, stats = read.header["stats"], read.array("stats").astype(np.float64)
    shape = (1, -1) + (1,) * (codes.ndim - 2)
    low, high = (stats[names.index(name), : codes.shape[1]].reshape(shape) for name in ("low", "high"))
    values = low + (high - low) * codes / 252
    for code, value in ((253, -np.inf), (254, np.inf), (255, np.nan)):
        values = np.where(codes == code, value, values)
    return values


def _plain(values: np.ndarray) -> list[object]:
    """At most 2,000 numbers, evenly spread: large sections are checked by samples."""
    flat = values.reshape(-1)
    flat = flat[:: max(1, -(-len(flat) // 2000))]
    return [value if np.isfinite(value) else str(value) for value in flat.tolist()]


def _run() -> RunRecord:
    layers = (Layer("conv", kind="conv2d", activation="relu", weights=("conv/kernel",), kernel_size=(3, 3)), Layer("fc", role="output"))
    probes = (Probe(0, "0123abcd", {"x": (2, 6, 5, 1)}),)
    return RunRecord(layers, layer_rows=("conv", "fc"), variable_rows=("conv/kernel",), loss="mse", probes=probes, every="every 100 steps")


def main() -> None:
    """Writes all files."""
    for name, blob in good().items():
        (FOLDER / f"{name}.bin").write_bytes(blob)
        (FOLDER / f"{name}.json").write_text(json.dumps(expected(blob)) + "\n", encoding="utf-8")
    for name, (blob, error) in bad().items():
        (FOLDER / f"{name}.bin").write_bytes(blob)
        (FOLDER / f"{name}.json").write_text(json.dumps({"error": error}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
