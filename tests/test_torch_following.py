"""What is logged of a torch model follows the model: layers that come, go, are called later or frozen on the way."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.monitor.network_changes import MOST_TIMES  # noqa: E402
from tb_featuremap_plugin.schema.network import NetworkChange  # noqa: E402
from tests.support.known import record_of, variables_of  # noqa: E402
from tests.support.monitored import layer_numbers, numbers, picture_names, read_run  # noqa: E402

PROBE = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Switching(nn.Module):
    """Grows, shrinks and calls its parts as it is told."""

    def __init__(self):
        super().__init__()
        self.first, self.late, self.last = nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.calls_late = False
        self.twice = False

    def forward(self, x):
        y = torch.relu(self.first(x))
        y = self.late(y) if self.calls_late else y
        return self.last(self.late(y) if self.twice else y)


def replace_head(model):
    model.last = nn.Linear(5, 3, bias=False)


def call_late(model):
    model.calls_late = True


def call_again(model):
    model.calls_late = model.twice = True


def remove_late(model):
    model.calls_late = model.twice = False
    del model.late


def wrap_first(model):
    model.first = nn.Sequential(model.first, nn.LayerNorm(5))


def add_lora(model):
    """A look-alike of `enable_lora`: the layer becomes a part of another."""

    class Adapted(nn.Module):
        def __init__(self, base):
            super().__init__()
            self.base, self.down, self.up = base.requires_grad_(False), nn.Linear(6, 2, bias=False), nn.Linear(2, 5, bias=False)

        def forward(self, x):
            return self.base(x) + self.up(self.down(x))

    model.first = Adapted(model.first)


CHANGES = {
    "replaced": (replace_head, {"last"}, set()),
    "called later": (call_late, {"late"}, set()),
    "called again": (call_again, {"late", "late:2"}, set()),
    "wrapped": (wrap_first, {"first.0", "first.1"}, {"first"}),
    "adapted": (add_lora, {"first.base", "first.down", "first.up"}, {"first"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_are_seen_at_the_next_logged_step(what, tmp_path):
    change, come, gone = CHANGES[what]
    torch.manual_seed(0)
    model = Switching()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        watcher.step()
        change(model)
        for _ in range(2):
            watcher.step()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 3]
    names = {layer.name for layer in record_of(run).layers}
    assert come <= names
    assert not gone & names
    assert come <= picture_names(run, "maps")
    for name in come - {"last"}:
        assert known(layer_numbers(run, name, "mean")) == {2, 3}
    for name in gone:
        assert known(layer_numbers(run, name, "mean")) == {0, 1}


CHANGED: dict[str, dict[str, tuple[str, ...]]] = {
    "replaced": {"variables_replaced": ("last.weight",), "variables_removed": ("last.bias",)},
    "called later": {},
    "called again": {"layers_added": ("late:2",)},
    "wrapped": {
        "layers_added": ("first.0", "first.1"),
        "layers_removed": ("first",),
        "variables_added": ("first.0.weight", "first.0.bias", "first.1.weight", "first.1.bias"),
        "variables_removed": ("first.weight", "first.bias"),
    },
}


@pytest.mark.parametrize("what", CHANGED)
def test_the_run_record_dates_what_comes_and_goes(what, tmp_path):
    model = Switching()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=lambda step: step % 2 == 0, strict=True) as watcher:
        for step in range(1, 7):
            if step == 4:
                CHANGES[what][0](model)
            watcher.step()
    expected = (NetworkChange(4, 2, **CHANGED[what]),) if CHANGED[what] else ()
    assert record_of(read_run(tmp_path)).changes == expected


def test_a_resumed_run_knows_the_changes_of_all_its_sessions(tmp_path):
    model = Switching()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        watcher.step()
        wrap_first(model)
        watcher.step()
        watcher.step()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, first_step=3) as watcher:
        call_again(model)
        watcher.step()
    assert [(change.after, change.step) for change in record_of(read_run(tmp_path)).changes] == [(1, 2), (3, 4)]


def test_freezing_is_dated_and_what_happens_in_turns_is_not_repeated_for_ever(tmp_path):
    model = Switching()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for step in range(1, 31):
            model.first.requires_grad_(step % 2 == 0)
            watcher.step()
    changes = record_of(read_run(tmp_path)).changes
    assert [change.frozen for change in changes if change.frozen] == [("first.weight", "first.bias")] * MOST_TIMES
    assert [(change.after, change.step) for change in changes[:2]] == [(0, 1), (1, 2)]
    assert changes[1].unfrozen == ("first.weight", "first.bias")


def test_a_network_that_stays_has_no_changes(tmp_path):
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for _ in range(4):
            optimizer.zero_grad()
            model(PROBE).sum().backward()
            optimizer.step()
            watcher.step()
    assert record_of(read_run(tmp_path)).changes == ()


def known(by_step):
    """The steps that have a number."""
    return {step for step, number in by_step.items() if np.isfinite(number)}


def test_a_removed_layer_is_not_logged_on(tmp_path):
    model = Switching()
    model.calls_late = True
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, layers=["late", "last"]) as watcher:
        watcher.step()
        remove_late(model)
        watcher.step()
        watcher.step()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 3]
    assert known(numbers(run, "late.weight", "norm")) == {0, 1}
    assert known(layer_numbers(run, "late", "mean")) == {0, 1}
    assert known(layer_numbers(run, "last", "mean")) == {0, 1, 2, 3}


def test_containers_that_grow_and_shrink(tmp_path):
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        watcher.step()
        model.append(nn.Tanh())
        model.append(nn.Linear(6, 3))
        watcher.step()
        for _ in range(2):
            del model[-1]
        watcher.step()
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 3]
    assert known(numbers(run, "4.weight", "norm")) == {2}
    assert [layer.name for layer in record_of(run).layers if layer.role == "output"] == ["2"]


def test_a_network_that_is_frozen_in_turns_trains(tmp_path):
    torch.manual_seed(0)
    one, other = nn.Linear(6, 6), nn.Linear(6, 2)
    model = nn.Sequential(one, nn.ReLU(), other)
    optimizers = [torch.optim.SGD(part.parameters(), 0.1) for part in (one, other)]
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for _ in range(3):
            for index, part in enumerate((one, other)):
                model.requires_grad_(False)
                part.requires_grad_(True)
                optimizers[index].zero_grad()
                model(PROBE).square().mean().backward()
                optimizers[index].step()
            watcher.step()
    run = read_run(tmp_path)
    for name in ("0.weight", "2.weight"):
        assert list(numbers(run, name, "trainable").values())[1:] == [1, 1, 1]


def test_lazy_modules_wait_for_the_users_own_first_pass(tmp_path):
    def build(folder):
        torch.manual_seed(0)
        model = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2))
        watcher = fm.torch.watch(model, folder, probe=PROBE, every=1, strict=True) if folder else None
        next_one = nn.Linear(3, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        model(PROBE).sum().backward()
        optimizer.step()
        if watcher is not None:
            watcher.step()
            watcher.close()
        return model, next_one

    for one, other in zip(build(tmp_path), build(None), strict=True):
        for value, expected in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(value, expected)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1]
    assert numbers(run, "0.weight", "update_norm")[1] > 0
