"""Batch normalisations whose moving statistics nobody updates are named; those that are frozen on purpose are not."""

from __future__ import annotations

import pytest

import tb_featuremap_plugin as fm

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def no_momentum(model):
    model[1].momentum = 0.0


def evaluating(model):
    model[4].eval()


def all_evaluating(model):
    model.eval()


def pretrained(model):
    if not model[1].running_mean.any():
        model[1].running_mean.fill_(0.5)
    model[1].eval()


def frozen(model):
    model[1].eval().requires_grad_(requires_grad=False)


def silent(model):
    model[0].weight.data.zero_()
    model[0].bias.data.zero_()


def as_usual(model):
    model.train()


def without_statistics(model):
    model[1].track_running_stats, model[1].running_mean, model[1].running_var = False, None, None


def found(folder, change):
    torch.manual_seed(0)
    inputs = torch.randn(32, 3, 6, 6) * 2 + 1
    labels = (inputs.mean((1, 2, 3)) > 1).long()
    blocks = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
    model = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with fm.torch.watch(
        model, folder, probe=(inputs[:8], labels[:8]), every=8, loss_fn=nn.CrossEntropyLoss(), optimizer=optimizer
    ) as watcher:
        for _ in range(32):
            model.train()
            change(model)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    (run,) = fm.open(folder).values()
    return [f"{one.rule} {one.target}" for one in run.findings() if one.rule in ("batchnorm_frozen", "eval_mode_training")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (no_momentum, ["batchnorm_frozen 1"]), (evaluating, ["batchnorm_frozen 4"]), (all_evaluating, ["eval_mode_training run"]),
        (pretrained, []), (frozen, []), (silent, []), (as_usual, []), (without_statistics, []),
    ],
)  # fmt: skip
def test_statistics_that_should_move_and_do_not_are_named(tmp_path, change, expected):
    assert found(tmp_path / "run", change) == expected
