"""What is found out of a loss, of what layers receive and of what a model does with its output, from the objects that users give."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tb_featuremap_plugin.measures.targets import constant_loss
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.network import RunRecord
from tests.support.known import known, record_of

LN2 = 0.6931471805599453


class TestConstantLoss:
    """Against values worked out by hand."""

    @pytest.mark.parametrize(
        ("loss", "targets", "expected"),
        [
            ("sparse_categorical_crossentropy", [0, 0, 1, 1], LN2 + 1 / 8),
            ("nll_loss", [3, 3, 3, 3], 0.0),
            ("categorical_crossentropy", [[1, 0], [0, 1]], LN2 + 1 / 4),
            ("binary_crossentropy", [[0.0], [1.0]], LN2 + 1 / 4),
            ("binary_crossentropy", [[0.0, 1.0], [1.0, 1.0]], (LN2 + 1 / 4) / 2),
            ("mse", [[1.0], [3.0]], 1.0),
            ("rmse", [[1.0], [5.0]], 2.0),
            ("mae", [[0.0], [0.0], [9.0]], 3.0),
        ],
    )
    def test_by_hand(self, loss, targets, expected):
        assert known(constant_loss(loss, np.array(targets, np.float64)), loss)[0] == pytest.approx(expected, abs=1e-6)

    def test_the_error_falls_with_the_number_of_targets(self):
        few, many = (known(constant_loss("nll_loss", np.array([0, 0, 0, 1.0] * n)), "nll")[1] for n in (4, 400))
        assert few == pytest.approx(10 * many)
        assert few == pytest.approx(np.sqrt(3) / 4 * np.log(3) / 4)  # of a draw of -log(3/4) or -log(1/4), over the root of 16

    @pytest.mark.parametrize("loss", ["own cross_entropy", "hinge", "huber"])
    def test_what_is_not_known_has_no_constant_answer(self, loss):
        assert constant_loss(loss, np.array([0.0, 1.0])) is None

    def test_targets_that_are_no_labels(self):
        assert constant_loss("binary_crossentropy", np.array([[0.0], [7.0]])) is None
        assert constant_loss("mse", np.array([np.nan, 1.0])) is None
        assert constant_loss("mse", np.zeros(0)) is None


@pytest.mark.torch
class TestTorch:
    def watched(self, tmp_path, model, x, y=None, **facts) -> RunRecord:
        import tb_featuremap_plugin as fm

        fm.torch.watch(model, str(tmp_path), probe=x if y is None else (x, y), every=1, strict=True, **facts).close()
        return record_of(EventSource(str(tmp_path)).runs()[0])

    def test_a_loss_is_the_object_that_is_given_and_not_its_name(self):
        from tb_featuremap_plugin.integrations.torch.training import loss_facts

        numbers = torch.tensor([1, 2])

        def cross_entropy(scores, targets):
            return scores.mean()

        class Mine(nn.CrossEntropyLoss):
            def forward(self, scores, targets):
                return -super().forward(scores, targets)

        class Renamed(nn.CrossEntropyLoss):
            pass

        def name(loss):
            return loss_facts(loss, numbers)["loss"]

        assert name(functional.nll_loss) == name(nn.NLLLoss()) == name(partial(functional.nll_loss, ignore_index=3)) == "nll_loss"
        assert name(functional.cross_entropy) == name(nn.CrossEntropyLoss()) == name(Renamed()) == "sparse_categorical_crossentropy"
        assert name(nn.CrossEntropyLoss().forward) == "sparse_categorical_crossentropy"
        assert name(cross_entropy) == "own cross_entropy"
        assert name(Mine()) == "own Mine"

    def test_what_a_loss_leaves_out_and_weighs(self):
        from tb_featuremap_plugin.integrations.torch.training import loss_details

        y = torch.tensor([0, 1, 255, 255])
        facts = known(loss_details(nn.CrossEntropyLoss(ignore_index=255, weight=torch.ones(3)), y), "facts")
        assert (facts.ignored, facts.weighted, facts.summed, facts.entries) == (255, True, False, 2)
        assert facts.constant == pytest.approx(LN2 + 1 / 4)
        facts = known(loss_details(partial(functional.nll_loss, ignore_index=255, reduction="sum"), y), "facts")
        assert (facts.ignored, facts.summed) == (255, True)
        assert known(loss_details(functional.cross_entropy, y), "facts").ignored == -100
        facts = known(loss_details(nn.MSELoss(), torch.zeros(4), (4, 1)), "facts")
        assert (facts.output_shape, facts.target_shape) == ((4, 1), (4,))
        assert loss_details(lambda scores, targets: scores.mean(), y) is None
        assert loss_details(nn.MSELoss(), None) is not None

    def test_what_layers_receive_and_what_is_done_to_the_output(self, tmp_path):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.words, self.first, self.last = nn.Embedding(300, 4), nn.Linear(4, 8), nn.Linear(8, 3)

            def forward(self, x):
                return functional.softmax(self.last(functional.relu(self.first(self.words(x) * 3))).squeeze(), dim=0)

        model = Net()
        nn.init.ones_(model.words.weight)
        words, first, last = self.watched(tmp_path, model, torch.tensor([7, 299])).layers
        assert words.receives is None
        assert first.receives == (3.0, 3.0)
        assert (first.output_function, last.output_function, last.output_axis) == (None, "softmax", 0)

    def test_a_module_of_the_user_s_that_is_a_softmax(self, tmp_path):
        class Share(nn.Module):
            def forward(self, x):
                return functional.softmax(x, dim=1)

        layers = self.watched(tmp_path, nn.Sequential(nn.Linear(4, 3), Share()), torch.ones(2, 4)).layers
        assert [(layer.output_function, layer.output_axis) for layer in layers] == [(None, None), ("softmax", 1)]

    def test_a_function_that_is_not_the_answer_is_not_the_output_s(self, tmp_path):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.last = nn.Linear(4, 3)

            def forward(self, x):
                scores = self.last(x)
                return scores * scores.softmax(-1)

        assert self.watched(tmp_path, Net(), torch.ones(2, 4)).layers[0].output_function is None

    def test_parameters_that_no_optimizer_has(self, tmp_path):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
        record = self.watched(tmp_path, model, torch.ones(2, 4), optimizer=torch.optim.SGD(model[1].parameters(), 0.1))
        assert record.not_optimized == ("0.weight", "0.bias")


@pytest.mark.tensorflow
class TestKeras:
    def test_facts(self, tmp_path):
        keras = pytest.importorskip("keras")
        import tb_featuremap_plugin as fm

        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(8)(keras.layers.Lambda(lambda x: x / 255)(inputs))
        model = keras.Model(inputs, keras.ops.softmax(keras.layers.Dense(3, name="out")(hidden)))
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=2))
        x, y = np.full((8, 6), 255, np.float32), np.array([0, 1, 2, 2, 0, 1, 0, 1])
        model.fit(x, y, verbose=0, callbacks=[fm.keras.FeatureMapCallback(str(tmp_path), (x, y), strict=True)])
        record = record_of(EventSource(str(tmp_path)).runs()[0])
        facts, out = known(record.loss_facts, "facts"), record.layers[-1]
        assert (facts.ignored, facts.entries, facts.summed) == (2, 6, False)
        assert facts.constant == pytest.approx(LN2 + 1 / 12)
        assert (out.name, out.output_function) == ("out", "softmax")
        assert next(layer.receives for layer in record.layers if layer.kind == "dense") == (1.0, 1.0)

    def test_a_loss_of_the_user_s_is_marked(self):
        keras = pytest.importorskip("keras")
        from tb_featuremap_plugin.integrations.keras.training import loss_facts, loss_name

        def cross_entropy(targets, outputs):
            return keras.ops.mean(outputs)

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        for loss, name in ((cross_entropy, "own cross_entropy"), (keras.losses.mean_squared_error, "mean_squared_error"), ("mse", "mse")):
            model.compile("sgd", loss)
            assert loss_name(model) == name
        model.compile("sgd", cross_entropy)
        assert loss_facts(model, np.zeros(3)) is None


@pytest.mark.torch
class TestLoops:
    """Loops of torch with one habit each."""

    def record_of_loop(self, tmp_path, habit, *, dropout=0.5) -> RunRecord:
        import tb_featuremap_plugin as fm

        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        x, y = torch.randn(8, 4), torch.tensor([0, 1] * 4)
        with fm.torch.watch(model, str(tmp_path), probe=(x, y), every=5, loss_fn=functional.cross_entropy, optimizer=optimizer) as watcher:
            model.train("evaluate" not in habit)
            for _ in range(30):
                if "clear" in habit:
                    optimizer.zero_grad(set_to_none="none" in habit)
                for _ in range(3 if "thrice" in habit else 1):
                    loss = functional.cross_entropy(model(x), y)
                    loss.backward()
                if "forget" not in habit:
                    optimizer.step()
                watcher.step(loss)
        return record_of(EventSource(str(tmp_path)).runs()[0])

    @pytest.mark.parametrize(
        ("habit", "kept", "evaluating"),
        [
            ("clear", 0, 0),
            ("clear none", 0, 0),
            ("clear thrice", 0, 0),
            ("clear none thrice", 0, 0),
            ("nothing", 23, 0),  # of the first update there is none before
            ("clear evaluate", 0, 24),
        ],
    )
    def test_habits(self, tmp_path, habit, kept, evaluating):
        facts = known(self.record_of_loop(tmp_path, habit).loop_facts, "facts")
        assert (facts.updates, facts.kept_gradients, facts.evaluating) == (24, kept, evaluating)

    def test_a_step_that_is_forgotten(self, tmp_path):
        record = self.record_of_loop(tmp_path, "clear forget")
        assert known(record.loop_facts, "facts").calls_without_update == 30

    def test_they_are_named(self, tmp_path):
        from tb_featuremap_plugin.diagnosis import diagnose

        for habit, rule in (("nothing", "gradient_accumulates"), ("clear evaluate", "eval_mode_training"), ("forget", "unchanged_weights")):
            folder = tmp_path / rule
            self.record_of_loop(folder, habit)
            headline = known(diagnose(EventSource(str(folder)).runs()[0]).headline, habit)
            assert headline.rule == rule
