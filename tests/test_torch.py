"""`fm.torch.watch`: torch modules of every build, and training that is not touched."""

from __future__ import annotations

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tests.support.known import record_of, variables_of  # noqa: E402
from tests.support.monitored import layer_numbers, losses, numbers, picture, picture_names, pixels, progress, read_run  # noqa: E402

X = torch.from_numpy(np.random.default_rng(0).random((24, 2, 8, 8)).astype(np.float32))
Y = torch.arange(24) % 3
STEPS = 6


class Block(nn.Module):
    """A residual block with a grouped convolution."""

    def __init__(self, channels):
        super().__init__()
        self.conv_a = nn.Conv2d(channels, channels, 3, padding=1, groups=2, bias=False)
        self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        self.conv_b = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return F.relu(self.conv_b(self.relu(self.norm(self.conv_a(x)))) + x)


class Residual(nn.Module):
    """With a grouped transposed convolution, dropout, and an auxiliary head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding="same")
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.up = nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2)
        self.pool, self.drop = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.5)
        self.head, self.aux = nn.Linear(6, 3), nn.Linear(4, 3)

    def forward(self, x):
        maps = self.blocks(self.stem(x))
        pooled = torch.flatten(self.pool(self.up(maps)), 1)
        return self.head(self.drop(pooled)), self.aux(maps.mean((2, 3)))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.Linear(128, 3)

    def forward(self, x):
        return self.head(self.conv(torch.tanh(self.conv(x))).flatten(1))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Linear(16, 8), nn.Parameter(torch.zeros(8, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1)
        self.act, self.head = nn.GELU(), nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.embed(x.flatten(2).reshape(-1, 8, 16)) + self.position
        return self.head(self.act(self.layer(tokens)).mean(1))


def plain():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 3))


MODELS = {"plain": plain, "residual": Residual, "shared": Shared, "tokens": Tokens}


def loss_of(outputs, labels):
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return sum(F.cross_entropy(output, labels) for output in outputs)


def train(kind, folder=None, *, wrap=None, steps=STEPS, optimizer=torch.optim.Adam, rate=1e-2, accumulate=1, scaler=None, **options):
    torch.manual_seed(0)
    model = MODELS[kind]()
    run = model if wrap is None else wrap(model)
    updates = optimizer(model.parameters(), rate)
    watcher = None
    if folder is not None:
        watcher = fm.torch.watch(run, folder, **{"probe": (X[:4], Y[:4]), "every": 2, "optimizer": updates, "strict": True, **options})
    for _ in range(steps):
        updates.zero_grad()
        for part in range(accumulate):
            loss = loss_of(run(X[part::accumulate]), Y[part::accumulate]) / accumulate
            (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is None:
            updates.step()
        else:
            scaler.step(updates)
            scaler.update()
        if watcher is not None:
            watcher.step(loss)
    if watcher is not None:
        watcher.close()
    return model


def assert_equal(one, other):
    for (name, value), expected in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(value, expected), name


@pytest.mark.parametrize("kind", MODELS)
def test_one_line_logs_everything_and_training_stays_the_same_to_the_last_bit(kind, tmp_path):
    model = train(kind, tmp_path)
    assert_equal(model, train(kind))
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 4, 6]
    parameters = dict(model.named_parameters())
    assert set(parameters) <= set(variables_of(run).rows)
    assert {name for name in variables_of(run).rows if numbers(run, name, "trainable")[2]} == set(parameters)
    convolutions = {name for name, part in model.named_modules() if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))}
    assert {name for name in convolutions if "self_attn" not in name} <= picture_names(run, "maps")
    assert {name for name, value in parameters.items() if value.ndim > 1} == picture_names(run, "filters")
    owned = [name for layer in record_of(run).layers for name in (*layer.weights, *layer.state)]
    assert sorted(owned) == sorted(variables_of(run).rows)


def test_random_numbers_and_modes_are_as_before(tmp_path):
    model = plain()
    model[1].eval()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    watcher = fm.torch.watch(model, tmp_path, probe=X[:2], strict=True)
    watcher.step()
    watcher.close()
    assert torch.equal(torch.rand(3), expected)
    assert [part.training for part in model] == [True, False, True, True, True, True]
    assert not any(part._forward_hooks for part in model.modules())


def test_maps_are_those_of_the_model_before_in_place_activations(tmp_path):
    model = train("residual", tmp_path, precision="float32")
    model.eval()
    with torch.no_grad():
        stem = model.stem(X[:4])
        normal = model.blocks[0].norm(model.blocks[0].conv_a(stem))
        head = model(X[:4])[0]
    for name, expected in (("stem", stem), ("blocks.0.norm", normal), ("blocks.0.relu", normal.relu()), ("head", head)):
        np.testing.assert_allclose(pixels(picture(tmp_path, "maps", name, STEPS)), expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_every_filter_of_grouped_and_transposed_kernels(tmp_path):
    model = train("residual", tmp_path)
    up = picture(tmp_path, "filters", "up.weight", STEPS).array("values")
    grouped = picture(tmp_path, "filters", "blocks.0.conv_a.weight", STEPS).array("values")
    np.testing.assert_array_equal(grouped, model.blocks[0].conv_a.weight.detach().numpy())
    assert up.shape == (6, 2, 2, 2)
    weight = model.up.weight.detach().numpy()
    for index in range(6):
        group = index // 3
        np.testing.assert_array_equal(up[index], weight[2 * group : 2 * group + 2, index % 3])


def test_connections_go_through_functions(tmp_path):
    train("residual", tmp_path)
    layers = {layer.name: layer for layer in record_of(read_run(tmp_path)).layers}
    assert layers["blocks.0.conv_a"].inputs == ("stem",)
    assert set(layers["blocks.1.conv_a"].inputs) == {"blocks.0.conv_b", "stem"}
    assert set(layers["aux"].inputs) >= {"blocks.1.conv_b"}
    assert (layers["head"].role, layers["aux"].role, layers["stem"].role) == ("output", "auxiliary", "hidden")
    assert (layers["up"].kind, layers["up"].strides, layers["up"].groups) == ("conv2d_transpose", (2, 2), 2)
    assert (layers["stem"].padding, layers["blocks.0.conv_a"].padding) == ("same", (1, 1))
    assert layers["blocks.0.norm"].state == ("blocks.0.norm.running_mean", "blocks.0.norm.running_var")


def test_a_module_that_is_called_twice_has_two_maps(tmp_path):
    train("shared", tmp_path)
    run = read_run(tmp_path)
    assert {"conv", "conv:2"} <= picture_names(run, "maps")
    layers = {layer.name: layer for layer in record_of(run).layers}
    assert (layers["conv"].weights, layers["conv:2"].weights, layers["conv:2"].inputs) == (("conv.weight", "conv.bias"), (), ("conv",))


def test_tokens_have_channels_last(tmp_path):
    train("tokens", tmp_path)
    assert picture(tmp_path, "maps", "embed", 2).header["shape"] == [4, 8, 8]
    assert picture(tmp_path, "maps", "layer.linear1", 2).header["shape"] == [4, 16, 8]
    assert picture(tmp_path, "maps", "layer.linear1", 2).header["layout"] == "NWC"


def test_update_norm_of_plain_descent_is_rate_times_gradient_norm(tmp_path):
    model = train("plain", tmp_path, optimizer=torch.optim.SGD, rate=0.1)
    run = read_run(tmp_path)
    for name, _ in model.named_parameters():
        update, gradient, norm = (numbers(run, name, column) for column in ("update_norm", "gradient_norm", "norm"))
        for step in (1, 2, 4, 6):
            assert update[step] == pytest.approx(0.1 * gradient[step], rel=1e-5, abs=2.0**-23 * norm[step])


def test_losses_rates_and_facts(tmp_path):
    train("plain", tmp_path, loss_fn=nn.CrossEntropyLoss())
    run = read_run(tmp_path)
    record = record_of(run)
    assert (record.loss, record.from_logits, record.optimizer, record.weight_decay) == (
        "sparse_categorical_crossentropy",
        True,
        "adam",
        0.0,
    )
    assert set(losses(run)) == set(range(1, STEPS + 1))
    assert progress(run, "learning_rate") == [pytest.approx(1e-2)] * 5


def test_a_loss_keeps_no_graph_alive(tmp_path):
    watcher = fm.torch.watch(plain(), tmp_path, probe=X[:2], every=100, strict=True)
    kept = watcher.monitor._losses
    for _ in range(3, 6):
        watcher.step(torch.ones((), requires_grad=True) * 2)
    assert all(not loss.requires_grad for _, loss in kept._pending)
    watcher.close()


def test_frozen_parameters_are_marked_also_when_that_changes(tmp_path):
    torch.manual_seed(0)
    model = plain()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with fm.torch.watch(model, tmp_path, probe=X[:4], every=1, strict=True) as watcher:
        for step in range(4):
            if step == 2:
                model[0].requires_grad_(True)
            optimizer.zero_grad()
            loss_of(model(X), Y).backward()
            optimizer.step()
            watcher.step()
    run = read_run(tmp_path)
    assert list(numbers(run, "0.weight", "trainable").values()) == [0, 0, 0, 1, 1]
    assert [value == 0 for value in list(numbers(run, "0.weight", "update_norm").values())[1:]] == [True, True, False, False]


def test_accumulated_gradients_count_one_step_an_update(tmp_path):
    assert_equal(train("plain", tmp_path, accumulate=3), train("plain", accumulate=3))
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 4, 6]
    assert list(numbers(run, "0.weight", "gap").values())[1:] == [1, 1, 1, 1]


def test_scaled_gradients_are_unscaled(tmp_path):
    def scaler():
        return torch.amp.GradScaler("cpu", init_scale=1024.0)

    options = {"optimizer": torch.optim.SGD, "rate": 0.1}
    assert_equal(train("plain", tmp_path, scaler=scaler(), **options), train("plain", scaler=scaler(), **options))
    run = read_run(tmp_path)
    for step in (1, 4):
        assert numbers(run, "0.weight", "update_norm")[step] == pytest.approx(
            0.1 * numbers(run, "0.weight", "gradient_norm")[step], rel=1e-4
        )


def test_compiled_modules(tmp_path):
    def compiled(model):
        return torch.compile(model, backend="eager")

    assert_equal(train("plain", tmp_path, wrap=compiled), train("plain", wrap=compiled))
    run = read_run(tmp_path)
    assert {"0", "5"} <= picture_names(run, "maps")
    assert "0.weight" in variables_of(run).rows


def test_half_precision(tmp_path):
    def half(model):
        return model.to(torch.bfloat16)

    torch.manual_seed(0)
    with fm.torch.watch(half(plain()), tmp_path, probe=X[:4], strict=True) as watcher:
        watcher.step()
    run = read_run(tmp_path)
    assert set(record_of(run).variable_dtypes.values()) == {"bfloat16"}
    assert numbers(run, "0.weight", "epsilon")[1] == 2.0**-7
    assert layer_numbers(run, "0", "nan")[0] == 0


def test_gradients_on_the_probe_where_the_parameters_hold_none(tmp_path):
    torch.manual_seed(0)
    model = plain()
    with fm.torch.watch(model, tmp_path, probe=(X[:4], Y[:4]), loss_fn=F.cross_entropy, strict=True):
        pass
    model.eval()
    F.cross_entropy(model(X[:4]), Y[:4]).backward()
    expected = float(model[0].weight.grad.norm())
    assert numbers(read_run(tmp_path), "0.weight", "gradient_norm")[0] == pytest.approx(expected, rel=1e-5)


def test_a_summary_writer_in_place_of_a_logdir(tmp_path):
    class SummaryWriter:
        """What is used of torch's: where it writes."""

        log_dir = str(tmp_path)

    train("plain", SummaryWriter())
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 4, 6]
    with pytest.raises(TypeError, match="logdir_or_summary_writer is 3"):
        fm.torch.watch(plain(), 3, probe=X[:2])


def test_torchs_own_summary_writer(tmp_path):
    writing = pytest.importorskip("torch.utils.tensorboard")
    with writing.SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", 1.0, 0)
        train("plain", writer)
    assert {path.parent.name for path in tmp_path.rglob("*tfevents*")} == {tmp_path.name, "featuremaps"}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("stem", {"stem"}),
        (r"blocks\.\d\.conv_a", {"blocks.0.conv_a", "blocks.1.conv_a"}),
        (re.compile("conv_b"), {"blocks.0.conv_b", "blocks.1.conv_b"}),
        (nn.AdaptiveAvgPool2d, {"pool"}),
        (lambda part: isinstance(part, nn.Linear) and part.in_features == 4, {"aux"}),
        (["up", nn.Linear], {"up", "head", "aux"}),
    ],
)
def test_layers_are_chosen_by_name_pattern_class_or_function(tmp_path, choice, names):
    train("residual", tmp_path, layers=choice, steps=1)
    assert picture_names(read_run(tmp_path), "maps") == names


def test_a_choice_that_fits_nothing_is_told_at_once(tmp_path):
    with pytest.raises(ValueError, match="'conv9', which fits none of"):
        train("plain", tmp_path, layers="conv9")


def test_inputs_by_position_and_by_name(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3)

        def forward(self, image, scale=1.0):
            return self.conv(image) * scale

    for name, probe in (("list", [X[:2], X[2:3, :1, :1, :1]]), ("dict", {"image": X[:2], "scale": X[2:3, :1, :1, :1]})):
        with fm.torch.watch(Two(), tmp_path / name, probe=probe, strict=True):
            pass
    assert picture_names(read_run(tmp_path / "list"), "inputs") == {"0", "1"}
    assert picture_names(read_run(tmp_path / "dict"), "inputs") == {"image", "scale"}


def test_resumed_training_counts_on(tmp_path):
    with fm.torch.watch(plain(), tmp_path, probe=X[:2], every=5, first_step=10, strict=True) as watcher:
        for _ in range(5):
            watcher.step()
    assert variables_of(read_run(tmp_path)).steps.tolist() == [10, 15]
