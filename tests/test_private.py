"""What says something of inputs and targets is left out where that is asked for, and nothing else is."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.util import tensor_util

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.export.pack import pack
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.network import Layer, before_weights
from tests.support import logdirs
from tests.support.known import layers_of, record_of
from tests.support.zips import unpacked

SECRET = np.linspace(0.123, 0.987, 2 * 6 * 6 * 3, dtype=np.float32).reshape(2, 6, 6, 3)
LAYERS = (
    Layer("rescale", kind="rescaling"),
    Layer("pad", kind="padding", inputs=("rescale",)),
    Layer("conv", kind="conv2d", weights=("conv/kernel",), inputs=("pad",)),
    Layer("relu", kind="relu", inputs=("conv",)),
    Layer("shortcut", kind="add", inputs=("pad", "relu")),
)


def log(folder, **options):
    rng = np.random.default_rng(0)
    with fm.Monitor(folder, every=1, layers=LAYERS, **options) as monitor:
        for step in range(3):
            maps = {layer.name: rng.normal(size=(2, 6, 6, 4)).astype(np.float32) for layer in LAYERS} | {"rescale": SECRET, "pad": SECRET}
            weights = {"conv/kernel": rng.normal(size=(3, 3, 3, 4)).astype(np.float32)}
            monitor.log(step, activations=maps, weights=weights, inputs={"photo": SECRET}, targets={"label": np.arange(2)}, loss=1.0)
    return folder


def pictured(run):
    return {(series.kind, series.name) for series in run.pictures}


@pytest.mark.parametrize("max_bytes", [10**8, 9_000])
def test_a_private_zip_holds_no_inputs_no_targets_and_no_maps_that_show_them(tmp_path, max_bytes):
    log(tmp_path / "logs")
    other = logdirs.EventLog(tmp_path / "logs" / "train")
    other.scalar("loss", 0, 1.0)
    whole = EventSource(tmp_path / "logs").run("featuremaps")
    assert {("inputs", "photo"), ("maps", "rescale"), ("maps", "pad"), ("maps", "conv")} <= pictured(whole)
    pack(tmp_path / "logs", tmp_path / "small.zip", max_bytes, {}, private=True)
    source = EventSource(unpacked(tmp_path / "small.zip", tmp_path / "copy"))
    run = source.run("featuremaps")
    assert pictured(run).isdisjoint({("inputs", "photo"), ("maps", "rescale"), ("maps", "pad")})
    if max_bytes == 10**8:
        assert pictured(run) == {("maps", "conv"), ("maps", "relu"), ("maps", "shortcut"), ("filters", "conv/kernel")}
    assert record_of(run).inputs_private
    table, before = layers_of(run), layers_of(whole)
    for place, row in enumerate(table.rows):
        if row in ("@inputs", "@targets"):
            assert np.isnan(table.values[:, place]).all()
        else:
            np.testing.assert_array_equal(table.values[:, place], before.values[:, before.rows.index(row)])
    assert not any(SECRET[0, 0, 0].tobytes() in path.read_bytes() for path in (tmp_path / "copy").rglob("*tfevents*"))


def test_a_private_zip_leaves_out_what_other_plugins_drew(tmp_path):
    log(tmp_path / "logs")
    images = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="images"), data_class=3)
    other = logdirs.EventLog(tmp_path / "logs" / "train")
    other.value("photo", 0, tensor_util.make_tensor_proto([b"8", b"8", b"secret photo"]), images)
    other.scalar("loss", 0, 1.0)
    assert main(["pack", str(tmp_path / "logs"), "-o", str(tmp_path / "small.zip"), "--private"]) == 0
    with zipfile.ZipFile(tmp_path / "small.zip") as file:
        data = b"".join(file.read(name) for name in file.namelist())
    assert b"secret photo" not in data
    assert b"loss" in data


def test_record_inputs_false_leaves_out_maps_that_show_the_inputs(tmp_path):
    run = EventSource(log(tmp_path / "logs", record_inputs=False)).run("featuremaps")
    assert pictured(run) == {("maps", "conv"), ("maps", "relu"), ("maps", "shortcut"), ("filters", "conv/kernel")}
    left_out = record_of(run).left_out
    assert "record_inputs=False" in left_out["maps/rescale"]
    assert "record_inputs=False" in left_out["maps/pad"]


def test_layers_behind_weights_are_no_inputs_whatever_their_order_says():
    plain = [Layer("a", kind="rescaling"), Layer("b", kind="padding"), Layer("w", weights=("w/k",)), Layer("c", kind="relu")]
    assert before_weights(plain) == {"a", "b"}
    assert before_weights([]) == before_weights([Layer("unknown"), Layer("conv")]) == frozenset()
    branches = [Layer("w", weights=("k",)), Layer("left", inputs=("w",)), Layer("x", inputs=("@inputs",)), Layer("y", inputs=("x",))]
    assert before_weights(branches) == {"x", "y"}


def test_doctor_says_that_a_logdir_holds_inputs(tmp_path, capsys):
    main(["doctor", str(log(tmp_path / "open"))])
    assert "among them the probe's inputs" in " ".join(capsys.readouterr().out.split())
    main(["doctor", str(log(tmp_path / "private", record_inputs=False))])
    assert "among them the probe's inputs" not in " ".join(capsys.readouterr().out.split())
