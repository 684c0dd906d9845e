"""Layers in plain lists and dictionaries: found where nothing trains them, and only there."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as fn  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.diagnosis import diagnose  # noqa: E402
from tests.support.known import record_of  # noqa: E402
from tests.support.monitored import read_run  # noqa: E402


class Net(nn.Module):
    """Two layers behind each other, and between them `self.kept`, as `keep` makes it of four more."""

    def __init__(self, keep, parts=None, hold=lambda part: part):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.kept = keep(parts or [nn.Linear(16, 16) for _ in range(2)])
        self.last = nn.Linear(16, 3)
        self.hold = hold

    def forward(self, x):
        x = fn.relu(self.first(x))
        for part in self.kept.values() if isinstance(self.kept, (dict, nn.ModuleDict)) else self.kept:
            for one in part if isinstance(part, (list, tuple)) else [part]:
                x = fn.relu(self.hold(one)(x))
        return self.last(x)


def trained(model, folder, others=(), rate=0.05):
    torch.manual_seed(1)
    x, y = torch.randn(32, 8), torch.randint(0, 3, (32,))
    optimizer = torch.optim.SGD([*model.parameters(), *others], rate)
    with fm.torch.watch(model, str(folder), probe=(x, y), loss_fn=fn.cross_entropy, optimizer=optimizer, every=1) as watcher:
        for _ in range(8):
            optimizer.zero_grad()
            loss = fn.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    run = read_run(folder)
    return record_of(run).unregistered, [finding.rule for finding in diagnose(run).findings if finding.rule == "unregistered_layers"]


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (list, ("kept[0]", "kept[1]")),
        (lambda parts: {"a": parts[0], "b": parts[1]}, ("kept['a']", "kept['b']")),
        (lambda parts: [tuple(parts)], ("kept[0][0]", "kept[0][1]")),
        (lambda parts: (nn.Sequential(parts[0], nn.ReLU(), parts[1]),), ("kept[0]",)),
    ],
    ids=["list", "dictionary", "tuples in a list", "blocks"],
)
def test_layers_that_nothing_trains_are_found(tmp_path, keep, names):
    torch.manual_seed(0)
    assert trained(Net(keep), tmp_path) == (names, ["unregistered_layers"])


def fixed(parts):
    return [part.requires_grad_(False) for part in parts]


def pretrained():
    with torch.no_grad():
        return [_scaled(nn.Linear(16, 16)) for _ in range(2)]


def _scaled(layer):
    layer.weight.normal_(0, 0.4)
    return layer


def without_gradient(part):
    def call(x):
        with torch.no_grad():
            return part(x)

    return call


@pytest.mark.parametrize(
    "make",
    [
        lambda: Net(nn.ModuleList),
        lambda: Net(lambda parts: nn.ModuleDict({"a": parts[0], "b": parts[1]})),
        lambda: Net(fixed),
        lambda: Net(list, parts=pretrained()),
        lambda: Net(list, hold=without_gradient),
    ],
    ids=["ModuleList", "ModuleDict", "frozen", "trained before", "without gradient"],
)
def test_layers_that_are_meant_so_are_not(tmp_path, make):
    torch.manual_seed(0)
    assert trained(make(), tmp_path) == ((), [])


def test_layers_that_are_given_to_the_optimizer_are_not(tmp_path):
    torch.manual_seed(0)
    model = Net(list)
    assert trained(model, tmp_path, [one for part in model.kept for one in part.parameters()]) == ((), [])


def test_lists_of_registered_layers_are_not(tmp_path):
    torch.manual_seed(0)
    model = Net(list)
    model.a, model.b = model.kept
    assert trained(model, tmp_path) == ((), [])
