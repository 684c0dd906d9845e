"""`Monitor`: what it records of a training loop, and when."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tests.support.known import layers_of, progress_of, record_of, variables_of
from tests.support.monitored import layer_numbers, losses, numbers, picture, picture_names, picture_steps, pixels, progress, read_run

PROBE = np.random.default_rng(1).random((6, 8, 8, 1)).astype(np.float32)


class Loop:
    """Stochastic gradient descent on made-up gradients, in place as torch and NumPy loops do it."""

    def __init__(self, rate: float = 0.1, frozen: tuple[str, ...] = ()) -> None:
        self.random = np.random.default_rng(0)
        self.rate = rate
        self.frozen = frozen
        self.weights = {
            "conv/kernel": self.random.normal(size=(3, 3, 1, 4)).astype(np.float32),
            "conv/bias": np.zeros(4, np.float32),
            "out/kernel": self.random.normal(size=(4, 2)).astype(np.float32),
        }
        self.gradients: dict[str, np.ndarray] | None = None
        self.history = [{name: value.copy() for name, value in self.weights.items()}]
        self.reads: list[int] = []

    def update(self):
        gradients = {name: self.random.normal(size=value.shape).astype(np.float32) for name, value in self.weights.items()}
        self.gradients = gradients
        for name, gradient in gradients.items():
            if name not in self.frozen:
                self.weights[name] -= np.float32(self.rate) * gradient
        self.history.append({name: value.copy() for name, value in self.weights.items()})

    def activations(self):
        maps = np.maximum(PROBE * self.weights["conv/kernel"].mean((0, 1, 2)), 0)
        return {"conv": maps, "out": maps.mean((1, 2)) @ self.weights["out/kernel"]}

    def read(self, step):
        self.reads.append(step)
        return self.weights

    def run(self, monitor, steps, **more):
        for step in range(steps + 1):
            if step:
                self.update()
            monitor.log(
                step,
                inputs=PROBE,
                activations=self.activations,
                weights=lambda step=step: self.read(step),
                gradients=self.gradients,
                loss=2.0 / (step + 1) if step else None,
                **more,
            )
        monitor.close()
        return self


def test_single_updates_are_exact_at_every_logged_step(tmp_path):
    loop = Loop().run(fm.Monitor(tmp_path, every=10, strict=True), 40)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 5, 10, 20, 30, 40]
    for name in loop.weights:
        updates = [loop.history[step][name].astype(np.float64) - loop.history[step - 1][name] for step in range(1, 41)]
        for step in (2, 5, 10, 40):
            update, before = updates[step - 1].ravel(), updates[step - 2].ravel()
            cosine = update @ before / np.linalg.norm(update) / np.linalg.norm(before)
            assert numbers(run, name, "gap")[step] == 1
            assert numbers(run, name, "update_norm")[step] == pytest.approx(np.linalg.norm(update), rel=1e-5)
            assert numbers(run, name, "cosine")[step] == pytest.approx(cosine, abs=1e-4)
            moved = np.linalg.norm(loop.history[step][name].astype(np.float64) - loop.history[0][name])
            assert numbers(run, name, "displacement")[step] == pytest.approx(moved, rel=1e-5)


def test_weights_are_read_at_logged_steps_and_the_two_before(tmp_path):
    loop = Loop().run(fm.Monitor(tmp_path, every=lambda step: step in (0, 10, 20)), 25)
    assert loop.reads == [0, 8, 9, 10, 18, 19, 20, 25]


def test_update_norm_of_plain_descent_is_rate_times_gradient_norm(tmp_path):
    loop = Loop(rate=0.05).run(fm.Monitor(tmp_path, every=5), 20)
    run = read_run(tmp_path)
    for name in loop.weights:
        update, gradient, norm = (numbers(run, name, column) for column in ("update_norm", "gradient_norm", "norm"))
        for step in (1, 5, 20):
            assert update[step] == pytest.approx(0.05 * gradient[step], rel=1e-5, abs=2.0**-23 * norm[step])
            assert numbers(run, name, "gradient_cosine")[step] == pytest.approx(1, abs=1e-4)


def test_a_frozen_layer_stands_exactly_still(tmp_path):
    layers = [
        fm.Layer("conv", weights=("conv/kernel", "conv/bias"), trainable=False),
        fm.Layer("out", weights=("out/kernel",), role="output"),
    ]
    Loop(frozen=("conv/kernel", "conv/bias")).run(fm.Monitor(tmp_path, every=5, layers=layers), 10)
    run = read_run(tmp_path)
    for name in ("conv/kernel", "conv/bias"):
        for column in ("update_norm", "changed", "displacement", "trainable"):
            assert {value for step, value in numbers(run, name, column).items() if step} == {0.0}
    assert set(numbers(run, "out/kernel", "trainable").values()) == {1.0}
    assert record_of(run).layers[0].trainable is False


def test_the_last_step_is_recorded_at_close_with_the_gap_it_has(tmp_path):
    loop = Loop().run(fm.Monitor(tmp_path, every=10), 27)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist()[-2:] == [20, 27]
    assert numbers(run, "conv/kernel", "gap")[27] == 7
    change = loop.history[27]["conv/kernel"].astype(np.float64) - loop.history[20]["conv/kernel"]
    assert numbers(run, "conv/kernel", "update_norm")[27] == pytest.approx(np.linalg.norm(change), rel=1e-5)


def test_losses_of_every_step_are_kept(tmp_path):
    Loop().run(fm.Monitor(tmp_path, every=10), 27)
    assert losses(read_run(tmp_path)) == {step: pytest.approx(2.0 / (step + 1)) for step in range(1, 28)}


def test_a_loss_is_read_only_when_a_record_is_due(tmp_path):
    class Tensor:
        """As a tensor on a device: reading it makes the loop wait."""

        shape, dtype = (), np.dtype(np.float32)

        def __init__(self, step):
            self.step = step

        def detach(self):
            return self

        def __array__(self, dtype=None, copy=None):
            read.append(self.step)
            return np.asarray(self.step, dtype)

    read: list[int] = []
    monitor = fm.Monitor(tmp_path, every=lambda step: step == 3, strict=True)
    for step in range(6):
        monitor.log(step, loss=Tensor(step))
        assert read == ([] if step < 3 else [0, 1, 2, 3])
    monitor.close()
    assert losses(read_run(tmp_path)) == {step: step for step in range(6)}


def test_what_sampling_must_not_lose_is_cumulative(tmp_path):
    monitor = fm.Monitor(tmp_path, every=lambda step: step in (0, 12, 30), strict=True)
    values = [2.0] * 10 + [50.0, 1.0] + [1.5] * 8 + [float("nan"), float("inf")] + [1.2] * 9
    for step, value in enumerate(values):
        monitor.log(step, loss=value)
    monitor.close()
    run = read_run(tmp_path)
    assert progress(run, "seen_steps") == [1, 13, 31]
    assert progress(run, "logged_steps") == [1, 2, 3]
    last = {column: progress(run, column)[-1] for column in progress_of(run).columns}
    assert (last["first_loss"], last["lowest_loss"], last["lowest_loss_step"]) == (2.0, 1.0, 11)
    assert (last["largest_jump"], last["largest_jump_step"], last["first_nonfinite_loss_step"]) == (25.0, 10, 20)
    assert last["loss"] == pytest.approx(1.2)


def test_callables_are_called_only_when_needed(tmp_path):
    called = []

    def call(name, value):
        def give():
            called.append(name)
            return value

        return give

    monitor = fm.Monitor(tmp_path, every=lambda step: step == 5, strict=True)
    for step in range(5):
        monitor.log(
            step,
            inputs=call("inputs", PROBE),
            targets=call("targets", PROBE),
            activations=call("activations", {"conv": PROBE}),
            gradients=call("gradients", {}),
            learning_rate=call("rate", 0.1),
        )
    assert called == []
    monitor.log(5, inputs=call("inputs", PROBE), learning_rate=call("rate", 0.25))
    monitor.close()
    assert called == ["inputs", "rate"]
    assert progress(read_run(tmp_path), "learning_rate") == [0.25]


def test_pictures_show_what_was_logged_and_not_what_came_after(tmp_path):
    maps = np.random.default_rng(2).random((3, 5, 5, 2)).astype(np.float32)
    kernel = np.random.default_rng(3).normal(size=(3, 3, 1, 2)).astype(np.float32)
    wanted_maps, wanted_kernel = maps.copy(), kernel.copy()
    with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
        monitor.log(0, inputs=PROBE, activations={"conv": maps}, weights={"conv/kernel": kernel})
        maps[:], kernel[:] = -1, -1
    shown = pixels(picture(tmp_path, "maps", "conv", 0))
    np.testing.assert_allclose(shown, wanted_maps.transpose(0, 3, 1, 2), atol=1 / 252)
    np.testing.assert_array_equal(picture(tmp_path, "filters", "conv/kernel", 0).array("values"), wanted_kernel.transpose(3, 2, 0, 1))
    assert picture(tmp_path, "maps", "conv", 0).header["inputs"] == "input"


def test_layers_are_in_order_of_depth_and_named_by_activations_where_nobody_described_them(tmp_path):
    with fm.Monitor(tmp_path / "named", strict=True) as monitor:
        monitor.log(
            0, inputs=PROBE, targets=np.arange(6), activations={"b": PROBE, "a": PROBE}, weights={"b/kernel": np.ones((1, 1, 1, 2))}
        )
    run = read_run(tmp_path / "named")
    assert layers_of(run).rows == ("@inputs", "@targets", "b", "a")
    assert [(layer.name, layer.weights) for layer in record_of(run).layers] == [("b", ("b/kernel",)), ("a", ())]
    with fm.Monitor(tmp_path / "described", layers=[fm.Layer("a"), fm.Layer("b")], strict=True) as monitor:
        monitor.log(0, activations={"b": PROBE, "a": PROBE, "extra": PROBE})
    assert layers_of(read_run(tmp_path / "described")).rows == ("a", "b", "extra")


def test_rows_that_come_later_are_added_and_missing_ones_are_unknown(tmp_path):
    with fm.Monitor(tmp_path, every=1, strict=True) as monitor:
        monitor.log(0, activations={"a": PROBE})
        monitor.log(1, activations={"a": PROBE, "b": PROBE})
        monitor.log(2, activations={"b": PROBE})
    run = read_run(tmp_path)
    assert np.isnan([layer_numbers(run, "b", "mean")[0], layer_numbers(run, "a", "mean")[2]]).all()
    assert layer_numbers(run, "b", "ordinal") == {0: pytest.approx(np.nan, nan_ok=True), 1: 1, 2: 2}


def test_state_is_kept_apart_from_what_is_trained(tmp_path):
    layers = [fm.Layer("bn", weights=("bn/gamma",), state=("bn/moving_mean",))]
    with fm.Monitor(tmp_path, layers=layers, strict=True) as monitor:
        monitor.log(0, weights={"bn": {"gamma": np.ones(3), "moving_mean": np.zeros(3)}})
    run = read_run(tmp_path)
    assert (numbers(run, "bn/gamma", "trainable")[0], numbers(run, "bn/moving_mean", "trainable")[0]) == (1, 0)


def test_everything_that_is_known_of_the_run_is_written_down(tmp_path):
    alike: dict[str, Any] = {"strides": 2, "dilation": 1}  # one number, for all axes of space
    layer = fm.Layer("conv", kind="conv2d", activation="relu", kernel_size=(3, 3), padding="same", groups=1, role="output", **alike)
    about: dict[str, Any] = {"loss": "mse", "from_logits": False, "optimizer": "adam", "weight_decay": 0.01}
    with fm.Monitor(tmp_path, layers=[layer], every=7, **about, strict=True) as monitor:
        monitor.log(0, inputs={"left": PROBE, "right": PROBE[:, :2]}, weights={"w": np.ones(3, np.float16)})
    record = record_of(read_run(tmp_path))
    assert record.layers == (layer,)
    assert (record.loss, record.from_logits, record.optimizer, record.weight_decay, record.every) == (
        "mse",
        False,
        "adam",
        0.01,
        "every 7 steps",
    )
    assert record.variable_shapes == {"w": (3,)}
    assert record.variable_dtypes == {"w": "float16"}
    assert record.layer_rows == ("@inputs", "@inputs/right")
    assert record.probes[0].shapes == {"left": (6, 8, 8, 1), "right": (6, 2, 8, 1)}
    assert {"python", "numpy", "tb_featuremap_plugin"} <= set(record.versions)


def test_a_probe_that_changes_is_one_warning_and_recorded_again(tmp_path):
    monitor = fm.Monitor(tmp_path, every=1, strict=True)
    monitor.log(0, inputs=PROBE)
    monitor.log(1, inputs=PROBE.copy())
    with pytest.warns(RuntimeWarning, match="changed at step 2"):
        monitor.log(2, inputs=PROBE + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.log(3, inputs=PROBE + 2)
        monitor.close()
    run = read_run(tmp_path)
    assert [probe.step for probe in record_of(run).probes] == [0, 2, 3]
    assert len({probe.digest for probe in record_of(run).probes}) == 3
    assert picture_steps(run, "inputs", "input") == [0, 2, 3]


def test_private_inputs_are_left_out(tmp_path):
    with fm.Monitor(tmp_path, record_inputs=False, strict=True) as monitor:
        monitor.log(0, inputs=PROBE, activations={"conv": PROBE})
    run = read_run(tmp_path)
    assert picture_names(run, "inputs") == set()
    assert record_of(run).inputs_private
    assert "inputs" not in picture(tmp_path, "maps", "conv", 0).header


def test_channels_first_and_layouts_by_name(tmp_path):
    maps, kernel = np.zeros((2, 3, 5, 6), np.float32), np.zeros((4, 3, 2, 1), np.float32)
    with fm.Monitor(tmp_path, layouts="channels_first", strict=True) as monitor:
        monitor.log(0, activations={"conv": maps}, weights={"kernel": kernel, "dense": np.zeros((7, 3))})
    assert picture(tmp_path, "maps", "conv", 0).header["shape"] == [2, 3, 5, 6]
    assert picture(tmp_path, "filters", "kernel", 0).header["shape"] == [4, 3, 2, 1]
    assert picture(tmp_path, "filters", "dense", 0).header["shape"] == [7, 3]
    with fm.Monitor(tmp_path, run_name="named", layouts={"conv": "NCHW", "kernel": "OIHW"}, strict=True) as monitor:
        monitor.log(0, activations={"conv": maps, "last": maps}, weights={"kernel": kernel})
    assert picture(tmp_path, "maps", "conv", 0, "named").header["shape"] == [2, 3, 5, 6]
    assert picture(tmp_path, "maps", "last", 0, "named").header["shape"] == [2, 6, 3, 5]
    assert picture(tmp_path, "filters", "kernel", 0, "named").header["shape"] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("kind", "shape", "filters"),
    [
        ("conv2d", (3, 3, 2, 5), [5, 2, 3, 3]),
        ("conv1d", (3, 2, 5), [5, 2, 3]),
        ("conv3d", (2, 3, 3, 2, 5), [5, 2, 2, 3, 3]),
        ("depthwise_conv2d", (3, 3, 2, 4), [8, 1, 3, 3]),
        ("conv2d_transpose", (3, 3, 5, 2), [5, 2, 3, 3]),
        ("dense", (2, 5), [5, 2]),
    ],
)
def test_every_kind_of_kernel_is_seen_with_all_its_filters(tmp_path, kind, shape, filters):
    with fm.Monitor(tmp_path, layers=[fm.Layer("layer", kind=kind, weights=("layer/kernel",))], strict=True) as monitor:
        monitor.log(0, weights={"layer/kernel": np.ones(shape)})
    assert picture(tmp_path, "filters", "layer/kernel", 0).header["shape"] == filters


def test_differences_of_a_large_grouped_transposed_kernel_are_those_of_its_filters(tmp_path):
    rng = np.random.default_rng(3)
    layer = fm.Layer("up", kind="conv2d_transpose", groups=2, weights=("up.weight",))
    values = [rng.normal(size=(256, 72, 4, 4)).astype(np.float32) for _ in range(2)]  # [inputs, filters / groups, *space]
    with fm.Monitor(tmp_path, every=1, layouts="channels_first", layers=[layer], strict=True) as monitor:
        for step, value in enumerate(values):
            monitor.log(step, weights={"up.weight": value})
    shown = picture(tmp_path, "filters", "up.weight", 1)
    change = (values[1].astype(np.float64) - values[0]).reshape(2, 128, 72, 16)
    expected = np.linalg.norm(change, axis=3).transpose(0, 2, 1).reshape(144, 128)  # [filters, inputs / groups]
    assert shown.header["shape"] == [144, 128, 4, 4]
    np.testing.assert_allclose(shown.array("previous_difference"), expected, rtol=1e-5)
    np.testing.assert_allclose(shown.array("first_difference"), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (), (2, 3, 4, 5, 6, 7), (0, 3), (3, 0, 4, 2)])
def test_activations_of_odd_shapes_are_recorded_as_what_they_are(tmp_path, shape):
    with fm.Monitor(tmp_path, strict=True) as monitor:
        monitor.log(0, activations={"odd": np.zeros(shape), "bad": np.array([[np.nan, np.inf]])}, weights={"w": np.zeros(shape)})
    run = read_run(tmp_path)
    assert layer_numbers(run, "bad", "nan")[0] == 1
    assert layer_numbers(run, "odd", "samples")[0] == (shape[0] if shape else 1)


def test_two_networks_live_side_by_side(tmp_path):
    with fm.Monitor(tmp_path, run_name="generator", strict=True) as one, fm.Monitor(tmp_path, run_name="critic", strict=True) as other:
        for step in range(3):
            one.log(step, activations={"g": PROBE})
            other.log(step, activations={"c": PROBE})
    assert layers_of(read_run(tmp_path, "generator")).rows == ("g",)
    assert layers_of(read_run(tmp_path, "critic")).rows == ("c",)


def test_a_run_that_was_paused_goes_on_in_the_same_folder(tmp_path):
    monitor = fm.Monitor(tmp_path, every=10, strict=True)
    loop = Loop()
    for step in range(15):
        if step:
            loop.update()
        if step == 8:
            monitor.pause()
        monitor.log(step, activations=loop.activations, weights=loop.weights)
    monitor.close()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 5, 7, 10, 14]
    assert numbers(run, "conv/kernel", "ordinal")[14] == 7
    assert numbers(run, "conv/kernel", "gap")[10] == 1


def test_pictures_are_bounded_and_statistics_cover_all(tmp_path):
    maps = np.random.default_rng(4).random((6, 4, 4, 8)).astype(np.float32)
    with fm.Monitor(tmp_path, max_images=2, max_channels=3, precision="float32", strict=True) as monitor:
        monitor.log(0, activations={"conv": maps})
    blob = picture(tmp_path, "maps", "conv", 0)
    np.testing.assert_array_equal(blob.array("pixels"), maps.transpose(0, 3, 1, 2)[:2, :3])
    assert blob.array("stats").shape[1] == 8
    assert layer_numbers(read_run(tmp_path), "conv", "samples")[0] == 6


def test_the_byte_budget_leaves_out_pictures_of_the_largest_layers_and_says_so(tmp_path):
    random = np.random.default_rng(5)
    maps = {"large": random.random((1, 64, 64, 8)), "small": random.random((1, 8, 8, 2))}
    with fm.Monitor(tmp_path, max_bytes=9000, every=1, strict=True) as monitor:
        for step in range(3):
            monitor.log(step, activations=maps)
    run = read_run(tmp_path)
    assert picture_names(run, "maps") == {"small"}
    assert len(layer_numbers(run, "large", "mean")) == 3
    assert any("maps/large" in note and "max_bytes=9_000" in note for note in record_of(run).notes)
    assert max(progress(run, "step_logged_bytes")[1:]) <= 9000


def test_headline_numbers_are_mirrored_as_scalars(tmp_path):
    from tb_featuremap_plugin.reading.events import EventSource

    Loop().run(fm.Monitor(tmp_path, every=10, mirror_scalars=True, strict=True), 10, learning_rate=0.1)
    source = EventSource(str(tmp_path))
    names = {name for group in source.scalar_names("featuremaps").values() for name in group}
    assert {"update_ratio/conv/kernel", "dead_units/conv", "loss", "learning_rate"} <= names
    ratios = source.scalar("featuremaps", "update_ratio/conv/kernel")
    wanted = numbers(source.run("featuremaps"), "conv/kernel", "update_ratio")
    assert dict(zip(ratios.steps.tolist(), ratios.values.tolist(), strict=True)) == {step: wanted[step] for step in ratios.steps.tolist()}
