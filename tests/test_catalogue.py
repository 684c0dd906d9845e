"""The catalogue of facts against what frameworks really do: nothing here reads a table of the package to know what is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tb_featuremap_plugin.diagnosis.loss import parse_loss
from tb_featuremap_plugin.diagnosis.rule import ORDER, all_rules, position
from tb_featuremap_plugin.schema import activations, layer_kinds, losses, verdicts

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.integrations.torch import layer_info as torch_info  # noqa: E402
from tests.support.known import known  # noqa: E402
from tests.support.monitored import layer_numbers, read_run  # noqa: E402

KERAS_ACTIVATIONS = sorted(
    set(dir(keras.activations)) - {"get", "serialize", "deserialize"} - {n for n in dir(keras.activations) if "__" in n}
)
TORCH_ACTIVATIONS = sorted(set(nn.modules.activation.__all__) - {"MultiheadAttention"})
JAX_ACTIVATIONS = (
    "celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity", "leaky_relu", "log_sigmoid",
    "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_sign", "softmax", "softplus", "sparse_plus", "sparse_sigmoid",
    "squareplus", "swish", "tanh",
)  # fmt: skip
JAX_OTHERS = {
    "dot_product_attention", "get_scaled_dot_general_config", "initializers", "log1mexp", "logmeanexp", "logsumexp", "one_hot",
    "scaled_dot_general", "scaled_matmul", "standardize",
}  # fmt: skip
OVER_CHANNELS = {"softmax", "softmin", "sparsemax", "log_softmax", "glu"}
"""Functions that look at all channels of a position."""

OF_PARAMETERS = {"elu", "celu", "threshold"}
"""Functions whose limits depend on a number that the name does not say."""


def sparsemax(x):
    """The nearest point at which all sum to 1 (Martins and Astudillo 2016). What Keras 3 gives need not sum to 1."""
    ordered = -np.sort(-x.astype(np.float64), axis=-1)
    count = np.arange(1, x.shape[-1] + 1)
    over = (np.cumsum(ordered, axis=-1) - 1) / count
    size = np.sum(ordered > over, axis=-1, keepdims=True)
    return np.maximum(x - np.take_along_axis(over, size - 1, axis=-1), 0)


def keras_function(name):
    if name == "sparsemax":
        return sparsemax
    function = getattr(keras.activations, name)
    arguments = {"threshold": (0.5, 20.0)}.get(name, ())
    return lambda x: keras.ops.convert_to_numpy(function(keras.ops.convert_to_tensor(x), *arguments))


def torch_function(name):
    arguments = {"Threshold": (0.5, 20.0), "Softmax": (-1,), "Softmin": (-1,), "LogSoftmax": (-1,)}.get(name, ())
    module = getattr(nn, name)(*arguments).eval()
    if name == "Softmax2d":
        return lambda x: module(torch.from_numpy(x).T[None, :, :, None]).detach().numpy()[0, :, :, 0].T
    return lambda x: module(torch.from_numpy(x)).detach().numpy()


FUNCTIONS = {
    **{f"keras-{name}": (name, keras_function(name)) for name in KERAS_ACTIVATIONS},
    **{f"torch-{name}": (name, torch_function(name)) for name in TORCH_ACTIVATIONS},
}


def catalogued(name: str) -> activations.Activation:
    """What the catalogue knows of an activation, by any of its names."""
    return known(activations.find(name), f"activation {name!r} in the catalogue")


def swept(name, function):
    """Inputs from far below to far above zero, and what the function gives for them; rows of eight channels where it looks at all."""
    if catalogued(name).name in OVER_CHANNELS:
        rng = np.random.default_rng(0)
        x = (rng.normal(0, 1, (4000, 8)) * 10 ** rng.uniform(-2, 5, (4000, 1))).astype(np.float32)
        return x, function(x)
    wide = 10.0 ** np.linspace(0, 5, 400)
    x = np.unique(np.r_[-wide, np.linspace(-12, 12, 4801), wide]).astype(np.float32)
    return x, function(x)


@pytest.mark.parametrize("case", FUNCTIONS)
def test_limits_are_those_of_the_function(case):
    name, function = FUNCTIONS[case]
    entry = catalogued(name)
    _, y = swept(name, function)
    low, high = entry.limits
    assert y.min() >= low - 1e-4 * max(1, abs(low)) if math.isfinite(low) else True
    assert y.max() <= high + 1e-4 * max(1, abs(high)) if math.isfinite(high) else True
    if entry.name not in OF_PARAMETERS:
        assert y.min() == pytest.approx(low, abs=2e-3) if math.isfinite(low) else y.min() < -90
        assert y.max() == pytest.approx(high, abs=2e-3) if math.isfinite(high) else y.max() > 1e4


@pytest.mark.parametrize("case", FUNCTIONS)
def test_flat_ends_are_where_a_bounded_function_stays(case):
    name, function = FUNCTIONS[case]
    entry = catalogued(name)
    x, y = swept(name, function)
    if entry.name in OVER_CHANNELS:
        assert entry.flat_ends == ()
        assert entry.sums_to_one == bool(np.allclose(y.sum(-1), 1, atol=1e-4))
        return
    assert not entry.sums_to_one
    bounded = np.abs(y).max() < 100
    passes_zero = float(function(np.zeros(1, np.float32))[0])
    ends = {round(float(y[0]), 2), round(float(y[-1]), 2)} if bounded else set()
    with np.errstate(invalid="ignore", over="ignore"):
        slopes = np.abs(np.diff(y) / np.diff(x))
    assert not bounded or max(slopes[0], slopes[-1]) < 1e-6
    units_die_there = {end for end in ends if end == y.min() == passes_zero}
    assert set(entry.flat_ends) == ends - units_die_there
    assert entry.squashes == (len(ends - units_die_there) == 2)
    if entry.unsaturated is not None:
        low, high = entry.unsaturated
        margin = 0.025 * (y.max() - y.min())
        assert low == pytest.approx(y.min() + margin, abs=1e-3) if round(float(y.min()), 2) in entry.flat_ends else low == -math.inf
        assert high == pytest.approx(y.max() - margin, abs=1e-3)


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function_rectifies_if_nothing_comes_through_below_zero(case):
    name, function = FUNCTIONS[case]
    entry = catalogued(name)
    x, y = swept(name, function)
    if entry.name in OVER_CHANNELS:
        assert not entry.rectifies
    else:
        cut = bool(np.all(y[x <= -1] == 0)) and y.min() == 0 and bool(np.all(np.diff(y[x >= 1])[:100] > 0))
        assert entry.rectifies == cut


@pytest.mark.parametrize("case", FUNCTIONS)
def test_probabilities_fill_zero_to_one(case):
    name, function = FUNCTIONS[case]
    _, y = swept(name, function)
    fills = abs(float(y.min())) < 2e-3 and abs(float(y.max()) - 1) < 2e-3
    assert catalogued(name).probabilities == fills


def test_what_nobody_exports_can_be_found_too():
    spelt = {
        "gelu": ["gelu_new", "GELUActivation", "NewGELUActivation", "gelu_pytorch_tanh", "PytorchGELUTanh", "gelu_fast", "GELUTanh"],
        "quick_gelu": ["QuickGELU", "quick_gelu", "QuickGELUActivation"],
        "silu": ["swish", "Swish", "SiLU", "SwishMe"],
        "hard_silu": ["HardSwishJit", "hardswish", "h_swish"],
        "hard_sigmoid": ["Hardsigmoid", "hard_sigmoid", "HardSigmoid"],
        "hard_tanh": ["Hardtanh", "hard-tanh"],
        "squared_relu": ["relu2", "ReLUSquaredActivation"],
        "linear": ["identity", "Linear"],
    }
    for name, names in spelt.items():
        assert {catalogued(one).name for one in names} == {name}
    assert activations.find(None) is activations.find("") is activations.find("my_own_function") is None


def test_every_activation_of_jax_is_known():
    nn_of_jax = pytest.importorskip("jax.nn")
    public = {name for name in dir(nn_of_jax) if not name.startswith("_")}
    assert public - JAX_OTHERS == set(JAX_ACTIVATIONS) & public
    assert [name for name in JAX_ACTIVATIONS if activations.find(name) is None] == []


def test_no_name_stands_for_two_things():
    for entries in (activations.ACTIVATIONS, layer_kinds.LAYER_KINDS, losses.LOSSES):
        names = [activations.bare(name) for one in entries for name in {activations.bare(n): n for n in (one.name, *one.aliases)}]
        assert sorted(names) == sorted(set(names))


def last(by_step):
    return by_step[max(by_step)]


INPUTS = np.random.default_rng(0).normal(0, 1, (16, 6)).astype(np.float32) * 100


def bounded_at_its_ends(function):
    """Share of what a saturated function gives that lies within 2.5 % of its range from its ends, of which it has two."""
    y = function(INPUTS)
    low, high = function(np.array([-1e6], np.float32))[0], function(np.array([1e6], np.float32))[0]
    margin = 0.025 * (high - low)
    return float(np.mean((y < low + margin) | (y > high - margin)))


@pytest.mark.parametrize("name", ["Hardtanh", "Hardsigmoid", "Softsign", "Tanh", "Sigmoid"])
def test_a_torch_network_driven_to_its_limits_is_saturated(name, tmp_path):
    model = nn.Sequential(nn.Linear(6, 6, bias=False), getattr(nn, name)(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].weight.copy_(10 * torch.eye(6))
    optimizer = torch.optim.SGD(model.parameters(), 1e-6)
    with fm.torch.watch(model, tmp_path, probe=torch.from_numpy(INPUTS), every=1, optimizer=optimizer, strict=True) as watcher:
        model(torch.from_numpy(INPUTS)).sum().backward()
        optimizer.step()
        watcher.step(1.0)
    run = read_run(tmp_path)
    expected = bounded_at_its_ends(lambda x: getattr(nn, name)()(torch.from_numpy(10 * x)).numpy())
    assert expected > 0.9
    assert last(layer_numbers(run, "1", "saturated")) == pytest.approx(expected, abs=1e-3)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("name", ["hard_tanh", "hard_sigmoid", "softsign"])
def test_a_keras_network_driven_to_its_limits_is_saturated(name, tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6, activation=name, name="bounded"), keras.layers.Dense(2)])
    model.layers[0].set_weights([10 * np.eye(6, dtype=np.float32), np.zeros(6, np.float32)])
    model.compile(optimizer=keras.optimizers.SGD(1e-6), loss="mse")
    model.fit(INPUTS, np.zeros((16, 2)), verbose=0, callbacks=[fm.keras.FeatureMapCallback(tmp_path, INPUTS, every=1, strict=True)])
    expected = bounded_at_its_ends(lambda x: keras_function(name)(10 * x))
    assert expected > 0.9
    assert last(layer_numbers(read_run(tmp_path), "bounded", "saturated")) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize(("limits", "expected"), [((-1, 1), "hard_tanh"), ((0, 6), "relu6"), ((-2, 2), None)])
def test_torchs_hardtanh_is_what_its_limits_say(limits, expected):
    assert torch_info.activation_of(nn.Hardtanh(*limits)) == expected


@pytest.mark.parametrize(
    ("name", "from_logits", "family", "logits", "logarithms"),
    [
        ("CrossEntropyLoss", None, "sparse", True, False),
        ("NLLLoss", None, "sparse", None, True),
        ("BCEWithLogitsLoss", False, "binary", True, False),
        ("categorical_crossentropy", False, "categorical", False, False),
        ("my_loss_with_logits", None, "other", True, False),
        ("huber", None, "other", None, False),
        (None, True, None, True, False),
    ],
)
def test_losses(name, from_logits, family, logits, logarithms):
    loss = parse_loss(name, from_logits)
    assert (loss.family, loss.takes_logits, loss.takes_log_probabilities) == (family, logits, logarithms)


def test_the_order_of_causes_names_every_rule_once():
    rules = {rule.name for rule in all_rules()}
    assert len(set(ORDER)) == len(ORDER)
    assert {place for place in ORDER if ":" not in place} == rules
    assert {place.partition(":")[0] for place in ORDER} == rules
    assert position("a_rule_that_was_dropped_in") == len(ORDER)


def test_verdicts_stand_in_order_of_alarm():
    severities = [word.severity for word in verdicts.VERDICTS if word.severity]
    assert severities == sorted(severities, key=["error", "warning", "info", "fine"].index)
    assert verdicts.find("slow").severity == "warning"
