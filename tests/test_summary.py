"""Logging to the default tf.summary writer, and the pure builders."""

from __future__ import annotations

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_file_loader

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.measures.activations.layer_rows import layer_row
from tb_featuremap_plugin.measures.activations.measure import measure
from tb_featuremap_plugin.measures.weights.variable import Change, variable_row
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, VARIABLE_COLUMNS

MAPS = np.random.default_rng(0).normal(0, 1, (2, 6, 6, 4)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(0, 1, (3, 3, 4, 8)).astype(np.float32)


def logged(folder):
    """{(step, tag)} of all that was written."""
    return {
        (event.step, value.tag)
        for file in folder.glob("*tfevents*")
        for event in event_file_loader.EventFileLoader(str(file)).Load()
        for value in event.summary.value
    }


def row_of(summary, tag):
    (value,) = [value for value in summary.value if value.tag == tag]
    return np.frombuffer(value.tensor.tensor_content, "<f4")


def test_builders_hold_the_picture_and_its_numbers():
    maps = fm.summary.feature_maps_pb("conv", MAPS, inputs=MAPS[..., :3], activation="relu")
    assert [value.tag for value in maps.value] == ["featuremaps/maps/conv", "featuremaps/layers/conv", "featuremaps/inputs/conv"]
    np.testing.assert_array_equal(row_of(maps, "featuremaps/layers/conv"), layer_row(measure(MAPS.transpose(0, 3, 1, 2), "relu")))
    assert [value.tag for value in fm.summary.filters_pb("k", KERNEL).value] == ["featuremaps/filters/k"]
    change = fm.summary.weight_change_pb("k", KERNEL, KERNEL * 2, gap=5, trainable=False)
    expected = variable_row(KERNEL, Change(previous=KERNEL * 2, gap=5), trainable=False)
    np.testing.assert_array_equal(row_of(change, "featuremaps/variables/k"), expected)
    assert len(expected) == len(VARIABLE_COLUMNS)
    assert len(row_of(maps, "featuremaps/layers/conv")) == len(LAYER_COLUMNS)


def test_builders_are_deterministic():
    first, second = (fm.summary.feature_maps_pb("conv", MAPS).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_metadata_marks_data_classes():
    picture, row = fm.summary.feature_maps_pb("conv", MAPS).value
    assert (picture.metadata.plugin_data.plugin_name, row.metadata.plugin_data.plugin_name) == ("featuremaps", "featuremaps_stats")
    assert len(picture.metadata.plugin_data.content) < 200
    long = fm.summary.weight_change_pb("k", KERNEL, KERNEL, layer="x" * 500).value[0].metadata.plugin_data.content
    assert long == b'{"version":1}'


@pytest.fixture
def tf():
    tf = pytest.importorskip("tensorflow")
    yield tf
    tf.summary.experimental.set_step(None)


@pytest.mark.tensorflow
def test_without_a_writer_nothing_happens(tf):
    assert fm.summary.feature_maps("conv", MAPS, step=1) is False
    assert fm.summary.filters("k", KERNEL) is False
    assert fm.summary.weight_change("k", KERNEL, KERNEL) is False


@pytest.mark.tensorflow
def test_eager_calls_write_one_event_each(tf, tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        assert fm.summary.feature_maps("conv", tf.constant(MAPS), step=3) is True
        assert fm.summary.filters("k", tf.constant(KERNEL), step=tf.constant(3, tf.int64)) is True
        tf.summary.experimental.set_step(4)
        assert fm.summary.weight_change("k", tf.Variable(KERNEL), KERNEL * 2, previous_step=2) is True
        with tf.summary.record_if(False):
            assert fm.summary.filters("k", KERNEL, step=9) is False
    assert logged(tmp_path) == {
        (3, "featuremaps/maps/conv"),
        (3, "featuremaps/layers/conv"),
        (3, "featuremaps/filters/k"),
        (4, "featuremaps/variables/k"),
    }


@pytest.mark.tensorflow
def test_a_missing_step_is_a_value_error(tf, tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default(), pytest.raises(ValueError, match="step is None"):
        fm.summary.feature_maps("conv", MAPS)


@pytest.mark.tensorflow
def test_bad_arguments_are_said(tf, tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=1):
        with pytest.raises(TypeError, match="data is a str"):
            fm.summary.feature_maps("conv", "text")
        with pytest.raises(ValueError, match="HWIO, OIHW"):
            fm.summary.filters("k", KERNEL, layout="NHWC")
        with pytest.raises(ValueError, match="gap from the previous step is -6"):
            fm.summary.weight_change("k", KERNEL, KERNEL, previous_step=7)
        for wrong in ("0", 0.5):
            with pytest.raises(TypeError, match="previous_step is a"):
                fm.summary.weight_change("k", KERNEL, KERNEL, previous_step=wrong)


@pytest.mark.tensorflow
def test_bad_arguments_are_said_before_a_graph_runs(tf, tmp_path):
    @tf.function
    def log(maps):
        return fm.summary.feature_maps("conv", maps, step=1, layout="NHCW")

    with tf.summary.create_file_writer(str(tmp_path)).as_default(), pytest.raises(ValueError, match="layout is 'NHCW'"):
        log(tf.ones((1, 4, 4, 2)))


def test_arguments_of_builders_are_checked():
    with pytest.raises(TypeError, match="activation is a int; allowed are strings and None"):
        fm.summary.feature_maps_pb("conv", np.ones((1, 4, 4, 2)), activation=3)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(TypeError, match="layer is a Layer"):
        fm.summary.filters_pb("k", KERNEL, layer=fm.Layer("conv"))  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(TypeError, match="description is a int"):
        fm.summary.weight_change_pb("k", KERNEL, KERNEL, description=3)  # type: ignore[arg-type]  # what the test is about
    with pytest.raises(ValueError, match="gap from the previous step is 0"):
        fm.summary.weight_change_pb("k", KERNEL, KERNEL, gap=0)


@pytest.mark.tensorflow
def test_inside_a_tf_function(tf, tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))

    @tf.function
    def train(maps, kernel, step):
        with writer.as_default():
            first = fm.summary.feature_maps("conv", maps, step, inputs=maps)
            second = fm.summary.weight_change("k", kernel, kernel * 2.0, step, previous_step=step - 2)
            with tf.summary.record_if(lambda: step > 5):
                third = fm.summary.filters("k", kernel, step)
        return first, second, third

    for step in (1, 9):
        written = train(tf.constant(MAPS), tf.constant(KERNEL), tf.constant(step, tf.int64))
        assert [bool(one) for one in written] == [True, True, step > 5]
    writer.flush()
    assert (9, "featuremaps/filters/k") in logged(tmp_path)
    assert (1, "featuremaps/filters/k") not in logged(tmp_path)
    assert (1, "featuremaps/inputs/conv") in logged(tmp_path)


@pytest.mark.tensorflow
def test_inside_a_compiled_function_the_error_says_what_to_do(tf, tmp_path):
    @tf.function(jit_compile=True)
    def compiled(maps):
        return fm.summary.feature_maps("conv", maps, 1)

    with tf.summary.create_file_writer(str(tmp_path)).as_default(), pytest.raises(RuntimeError, match="jit_compile=True"):
        compiled(tf.constant(MAPS))
