"""What torch modules are, which of their variables multiply, and which calls can be logged: by what they do, not by their names."""

from __future__ import annotations

import dataclasses
import warnings
from collections import UserDict
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tests.support.known import record_of, variables_of  # noqa: E402
from tests.support.monitored import numbers, picture, picture_names, pixels, read_run  # noqa: E402

IMAGES = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32))
ROWS = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32))


def watch(model, folder, probe, steps=1, **options):
    with fm.torch.watch(model, folder, probe=probe, every=1, strict=True, **options) as watcher:
        for _ in range(steps):
            watcher.step()
    return read_run(folder)


def layers_of(model, folder, probe, **options):
    return {layer.name: layer for layer in record_of(watch(model, folder, probe, **options)).layers}


class Masked(nn.Module):
    """A dense layer by another name, whose weight is stored with a gain."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.gain = nn.Parameter(torch.randn(outputs, inputs)), nn.Parameter(torch.ones(outputs, 1))

    def forward(self, x):
        return F.linear(x, self.weight * self.gain)


class InByOut(nn.Module):
    """The dense layer of GPT-2, which is called a convolution."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs)), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], -1)


class Standardised(nn.Conv2d):
    def forward(self, x):
        centred = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, centred / centred.std((1, 2, 3), keepdim=True), self.bias)


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NormAndAct(nn.BatchNorm2d):
    """A normalisation with its activation in it, as timm has them."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


class Own(nn.Module):
    """A normalisation of the user's own."""

    def __init__(self, channels):
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.layer_norm(x, (len(self.gain),), self.gain, self.shift)


class Lookup(nn.Module):
    def __init__(self, rows, size):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(rows, size))

    def forward(self, ids):
        return F.embedding(ids, self.rows)


@pytest.mark.parametrize(
    ("module", "probe", "kind", "kernels"),
    [
        (Masked(4, 5), ROWS, "dense", ("weight",)),
        (InByOut(4, 5), ROWS, "dense", ("weight",)),
        (Standardised(3, 5, 3), IMAGES, "conv2d", ("weight",)),
        (LayerNorm2d(3), IMAGES, "layer_normalization", ()),
        (NormAndAct(3), IMAGES, "batch_normalization", ()),
        (Own(4), ROWS, "layer_normalization", ()),
        (Lookup(9, 4), torch.arange(6).reshape(3, 2), "embedding", ()),
        (nn.Linear(4, 5), ROWS, "dense", ("weight",)),
        (nn.Conv2d(3, 5, 3), IMAGES, "conv2d", ("weight",)),
    ],
)
def test_a_layer_is_what_it_does(tmp_path, module, probe, kind, kernels):
    layers = layers_of(nn.Sequential(module, nn.Identity()), tmp_path, probe)
    assert (layers["0"].kind, layers["0"].kernels) == (kind, tuple(f"0.{name}" for name in kernels))


def test_a_kernel_that_is_stored_by_inputs_is_drawn_by_outputs(tmp_path):
    model = nn.Sequential(InByOut(4, 5), nn.Linear(5, 2))
    watch(model, tmp_path, ROWS)
    names = {"0.weight": 5, "1.weight": 2}
    shown = {name: picture(tmp_path, "filters", name, 0).array("values").reshape(size, -1) for name, size in names.items()}
    np.testing.assert_array_equal(shown["0.weight"], model[0].weight.detach().numpy().T)
    np.testing.assert_array_equal(shown["1.weight"], model[1].weight.detach().numpy())


def test_only_what_multiplies_is_a_kernel(tmp_path):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 6, 4, 4)
            self.cls_token, self.positions = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(1, 5, 6))
            self.table, self.scale = nn.Parameter(torch.randn(5, 5)), nn.Parameter(torch.ones(1, 1, 6))
            self.temperature, self.out = nn.Parameter(torch.ones(1, 1)), nn.Parameter(torch.randn(6, 2))

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.positions
            attention = (x @ x.transpose(1, 2) * self.temperature + self.table).softmax(-1)
            return (attention @ x * self.scale)[:, 0] @ self.out

    run = watch(Tokens(), tmp_path, IMAGES, steps=2)
    model = next(layer for layer in record_of(run).layers if layer.name == "model")
    assert model.kernels == ("out",)
    assert set(model.weights) == {"cls_token", "positions", "table", "scale", "temperature", "out"}
    assert set(model.weights) <= set(variables_of(run).rows)
    assert next(iter(fm.open(tmp_path).values())).kernels == {"patch": "patch.weight", "model": "out"}


MADE = {
    "parametrised": (lambda: parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), "0.parametrizations.weight.original1"),
    "spectral": (lambda: parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), "0.parametrizations.weight.original"),
    "weight_norm": (lambda: weight_norm(nn.Conv2d(3, 4, 3)), "0.weight_v"),
    "spectral_norm": (lambda: spectral_norm(nn.Conv2d(3, 4, 3)), "0.weight_orig"),
    "pruned": (lambda: prune.l1_unstructured(nn.Conv2d(3, 4, 3), "weight", 0.5), "0.weight_orig"),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("name", MADE)
def test_the_weight_in_use_is_drawn_and_measured_beside_what_it_is_made_of(tmp_path, name):
    make, stored = MADE[name]
    torch.manual_seed(0)
    model = nn.Sequential(make(), nn.ReLU(), nn.Flatten())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    plain = [nn.Sequential(make(), nn.ReLU(), nn.Flatten())]
    plain[0].load_state_dict(model.state_dict())
    updates = torch.optim.SGD(plain[0].parameters(), 0.1)
    used = {}
    with fm.torch.watch(model, tmp_path, probe=IMAGES, every=1, strict=True) as watcher:
        for step in range(3):
            for one, by in ((model, optimizer), (plain[0], updates)):
                by.zero_grad()
                one(IMAGES).square().mean().backward()
                by.step()
            watcher.step()
            model.eval()(IMAGES), plain[0].eval()(IMAGES)
            used[step + 1] = model[0].weight.detach().clone()
            model.train(), plain[0].train()
    for key, value in model.state_dict().items():
        assert torch.equal(value, plain[0].state_dict()[key]), key
    run = read_run(tmp_path)
    layer = record_of(run).layers[0]
    assert (layer.name, layer.kind, layer.kernels) == ("0", "conv2d", ("0.weight",))
    assert {"0", "1"} <= picture_names(run, "maps")
    assert {"0.weight", stored} <= set(layer.weights) & set(variables_of(run).rows)
    for step, weight in used.items():
        np.testing.assert_allclose(picture(tmp_path, "filters", "0.weight", step).array("values"), weight.numpy(), rtol=1e-5, atol=1e-7)
        assert numbers(run, "0.weight", "norm")[step] == pytest.approx(float(weight.norm()), rel=1e-5)


def test_adapters_are_added_to_the_weight_in_use(tmp_path):
    class Adapted(nn.Linear):
        """As loralib has it."""

        def __init__(self):
            super().__init__(4, 5)
            self.lora_A, self.lora_B, self.scaling = nn.Parameter(torch.randn(2, 4)), nn.Parameter(torch.randn(5, 2)), 0.5
            self.weight.requires_grad = False

        def forward(self, x):
            return super().forward(x) + x @ self.lora_A.T @ self.lora_B.T * self.scaling

    model = nn.Sequential(Adapted())
    run = watch(model, tmp_path, ROWS)
    layer = record_of(run).layers[0]
    assert (layer.kernels, layer.frozen, layer.trainable) == (("0.weight_in_use",), ("0.weight",), True)
    expected = (model[0].weight + model[0].lora_B @ model[0].lora_A * 0.5).detach().numpy()
    shown = picture(tmp_path, "filters", "0.weight_in_use", 0).array("values")
    np.testing.assert_allclose(shown.reshape(expected.shape), expected, rtol=1e-5)


def test_dynamically_quantised_layers(tmp_path):
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that the function will move
        quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    run = watch(quantised, tmp_path, ROWS)
    assert {"0", "1", "2"} <= picture_names(run, "maps")
    shown = picture(tmp_path, "filters", "0.weight", 0).array("values")
    np.testing.assert_allclose(shown.reshape(6, 4), quantised[0].weight().dequantize().numpy(), rtol=1e-6)


def test_a_kernel_that_is_frozen_alone_is_frozen_and_seen_when_it_moves(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[0].weight.requires_grad = False
    with fm.torch.watch(model, tmp_path, probe=ROWS, every=1, strict=True) as watcher:
        for _ in range(3):
            with torch.no_grad():
                model[0].weight += 0.1
                model[0].bias += 0.1
            watcher.step()
    run = read_run(tmp_path)
    layer = record_of(run).layers[0]
    assert (layer.trainable, layer.frozen, layer.kernels) == (True, ("0.weight",), ("0.weight",))
    assert (numbers(run, "0.weight", "trainable")[3], numbers(run, "0.bias", "trainable")[3]) == (0, 1)
    assert {finding.rule for finding in next(iter(fm.open(tmp_path).values())).findings()} >= {"frozen_but_moving"}


def test_a_shared_parameter_has_one_row_and_both_layers_name_it(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 9, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    run = watch(Tied(), tmp_path, torch.arange(6).reshape(3, 2))
    assert variables_of(run).rows == ("embed.weight",)
    assert {layer.name: (layer.weights, layer.kernels) for layer in record_of(run).layers} == {
        "embed": (("embed.weight",), ()),
        "head": (("embed.weight",), ("embed.weight",)),
    }


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return F.relu(x + self.b(F.relu(self.a(x))))


def blocks():
    return nn.Sequential(Residual(), Residual(), nn.Conv2d(3, 4, 1))


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("0", {"0"}),
        (["0", "1"], {"0", "1"}),
        (Residual, {"0", "1"}),
        ("0:relu", {"0:relu"}),
        (["0:relu:2", "1:add"], {"0:relu:2", "1:add"}),
        (r"\d:add", {"0:add", "1:add"}),
        (r"0\..*", {"0.a", "0.b"}),
        (r"[01].*", {"0", "1", "0.a", "0.b", "1.a", "1.b"}),
        (nn.Conv2d, {"0.a", "0.b", "1.a", "1.b", "2"}),
    ],
)
def test_blocks_and_functions_are_logged_where_they_are_named(tmp_path, layers, names):
    run = watch(blocks(), tmp_path, IMAGES, layers=layers)
    assert picture_names(run, "maps") == names
    order = [layer.name for layer in record_of(run).layers]
    assert set(order) >= names
    assert order.index("0.a") < order.index("0.b") < order.index("2")


def test_maps_of_blocks_and_functions_are_what_they_return(tmp_path):
    model = blocks()
    watch(model, tmp_path, IMAGES, layers=["0", "0:relu", "0:add"], precision="float32")
    with torch.no_grad():
        inner = F.relu(model[0].a(IMAGES))
        added = IMAGES + model[0].b(inner)
    for name, expected in (("0:relu", inner), ("0:add", added), ("0", F.relu(added))):
        np.testing.assert_allclose(pixels(picture(tmp_path, "maps", name, 0)), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_function_that_is_not_called_is_told_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"'0:gelu', which fits none of .*functions of '0': \['0:relu', '0:add', '0:relu:2'\]"):
        watch(blocks(), tmp_path, IMAGES, layers="0:gelu")


def test_what_only_leads_to_the_output_is_hidden(tmp_path):
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.stem, self.body = nn.Linear(4, 2), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            x = self.stem(x)
            return F.log_softmax(self.last(x + self.body(x)), 1)

    layers = layers_of(Shortcut(), tmp_path / "one", ROWS)
    assert list(layers) == ["stem", "body", "last"]
    assert {name: layer.role for name, layer in layers.items()} == {"stem": "hidden", "body": "hidden", "last": "output"}
    added = layers_of(nn.Sequential(nn.Conv2d(3, 3, 1), Residual()), tmp_path / "two", IMAGES)
    assert {name: layer.role for name, layer in added.items()} == {"0": "hidden", "1.a": "hidden", "1.b": "output"}


@dataclasses.dataclass
class Answer:
    logits: Any
    others: object


class Pair(NamedTuple):
    value: Any
    nothing: None


@pytest.mark.parametrize(
    "nest",
    [lambda x: Answer(x, None), lambda x: UserDict(x=x), lambda x: Pair(x, None), lambda x: [{"x": (x, 3)}], lambda x: Answer(x * 1, [x])],
)
def test_outputs_in_nests_of_every_kind(tmp_path, nest):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.block = nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3))

        def forward(self, x):
            return nest(self.inner(x) + self.block(x))

    layers = layers_of(Nested(), tmp_path, ROWS)
    assert {name: layer.role for name, layer in layers.items()} == {"inner": "output", "block.0": "output"}


def test_scripted_modules_are_left_out_with_one_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that scripting is deprecated
        scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    model = nn.Sequential(scripted, nn.Linear(5, 2))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = watch(model, tmp_path, ROWS, steps=2)
    assert [str(warning.message) for warning in said if "script" in str(warning.message)] == [
        "scripted modules have no feature maps, because TorchScript runs them as a whole: 0; "
        "watch the model before torch.jit.script or torch.jit.trace"
    ]
    assert picture_names(run, "maps") == {"1"}
    assert {"0.0.weight", "1.weight"} <= set(variables_of(run).rows)


def test_of_a_module_called_many_times_the_first_three_calls_and_the_last_are_kept(tmp_path):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(4, 4)

        def forward(self, x):
            state = torch.zeros_like(x)
            for _ in range(9):
                state = self.cell(x, state)
            return state

    run = watch(Loop(), tmp_path, ROWS, layers="cell.*", precision="float32")
    layers = {layer.name: layer for layer in record_of(run).layers}
    assert list(layers) == ["cell", "cell:2", "cell:3", "cell:9"]
    assert {layer.calls for layer in layers.values()} == {9}
    assert (layers["cell:3"].inputs, layers["cell:9"].inputs, layers["cell:9"].role) == (("cell:2",), ("cell:3",), "output")
    assert picture_names(run, "maps") == set(layers)


def test_names_that_look_like_second_calls_stay_apart(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({"x": nn.Linear(4, 4), "x:2": nn.Linear(4, 4)})

        def forward(self, x):
            return self.parts["x:2"](self.parts["x"](self.parts["x"](x)))

    layers = layers_of(Twice(), tmp_path, ROWS)
    assert list(layers) == ["parts.x", "parts.x::2", "parts.x:2"]
    assert layers["parts.x:2"].weights == ("parts.x:2.weight", "parts.x:2.bias")
