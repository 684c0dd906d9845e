"""Watching leaves a torch training as it is, to the last bit: weights, buffers, losses, random numbers, attributes."""

from __future__ import annotations

import collections
import random
import re
import types
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.integrations.torch.followed_model import FollowedModel  # noqa: E402
from tests.support import torch_zoo  # noqa: E402
from tests.support.known import variables_of  # noqa: E402
from tests.support.monitored import read_run  # noqa: E402

STEPS = 5

_WITHOUT_PARTS = ("builtins", "itertools", "_thread", "_contextvars", "_io", "array", "functools")


@dataclass(frozen=True)
class Outcome:
    """All that a training leaves."""

    weights: dict[str, bytes]
    losses: tuple[float, ...]
    random: str
    attributes: str


def train(case, folder=None, steps=STEPS):
    _seed()
    model = case.build()
    model.train()
    shape = (torch_zoo.BATCH, 3, 8, 8) if case.images else (torch_zoo.BATCH, torch_zoo.WIDTH)
    probe = torch.rand(shape, generator=torch.Generator().manual_seed(9)) * 3 + 1
    watcher = None
    if folder is not None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="scripted modules")
            watcher = fm.torch.watch(model, folder, probe=probe, every=2, strict=True)
    optimizer, losses = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), []
    for step in range(steps):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), torch.arange(len(x)) % torch_zoo.CLASSES)
        loss = loss if case.penalty is None else loss + case.penalty(model)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if case.after_step is not None:
            case.after_step(model)
        if watcher is not None:
            watcher.step(loss)
    if watcher is not None:
        watcher.close()
    return outcome(model, losses)


def _seed():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    torch.set_float32_matmul_precision("highest")
    np.seterr(divide="warn")
    torch_zoo.SEEN.clear()
    torch_zoo.TOTALS["calls"] = 0
    torch_zoo.kept_state.CALLS = 0
    torch_zoo.kept_state.ClassCounter.calls = 0
    torch_zoo.kept_state.ClassCounter.log.clear()
    _memory()[0].clear()


def _memory() -> Any:
    """The default argument in which a forward keeps something."""
    return torch_zoo.kept_state.ClassCounter.middle.__defaults__


def outcome(model, losses):
    weights = {name: _bytes(tensor) for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    drawn = (random.random(), np.random.rand(), float(torch.rand(())))
    outside = (
        torch_zoo.SEEN,
        torch_zoo.TOTALS,
        torch_zoo.kept_state.CALLS,
        torch_zoo.kept_state.ClassCounter.calls,
        torch_zoo.kept_state.ClassCounter.log,
    )
    return Outcome(weights, tuple(losses), repr(drawn), shown([model, *outside, _memory()]))


def _bytes(tensor):
    return tensor.detach().resolve_conj().numpy().tobytes()


def shown(thing, known=None):
    """All that can be reached from a thing, in words: slow and obvious. Handles of hooks have numbers that only grow, and are left out."""
    known = {} if known is None else known
    if isinstance(thing, (str, bytes, int, float, type(None))):
        return repr(thing)
    if id(thing) in known:
        return f"<{known[id(thing)][0]}>"
    known[id(thing)] = (len(known), thing)
    if isinstance(thing, torch.Tensor):
        kind = f"{type(thing).__name__} {tuple(thing.shape)} {thing.dtype} {thing.requires_grad} {thing._version if thing.is_leaf else ''}"
        gradient = shown(thing.grad, known) if thing.is_leaf else ""
        return f"{kind} {_bytes(thing).hex()} {gradient}"
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype} {thing.tobytes().hex()}"
    if isinstance(thing, torch.Generator):
        return thing.get_state().numpy().tobytes().hex()
    if isinstance(thing, np.random.Generator):
        return str(thing.bit_generator.state)
    if isinstance(thing, np.random.RandomState):
        return str(thing.get_state())
    if isinstance(thing, random.Random):
        return str(thing.getstate())
    return _shown_parts(thing, known)


def _shown_parts(thing, known):
    if isinstance(thing, dict):
        hooks = all(isinstance(key, int) and callable(value) for key, value in thing.items())
        return f"{type(thing).__name__}{[('' if hooks else shown(key, known), shown(value, known)) for key, value in thing.items()]}"
    if isinstance(thing, (list, tuple, collections.deque)):
        return f"{type(thing).__name__}{[shown(part, known) for part in thing]}"
    if isinstance(thing, types.FunctionType):
        return f"{thing.__qualname__}{[shown(cell.cell_contents, known) for cell in thing.__closure__ or ()]}"
    if isinstance(thing, types.MethodType):
        return f"{thing.__func__.__qualname__} of {shown(thing.__self__, known)}"
    if type(thing).__name__ in ("RemovableHandle", "RecursiveScriptModule") or "_dynamo" in type(thing).__module__:
        return type(thing).__name__
    if type(thing).__module__ == "builtins" or not hasattr(thing, "__dict__"):
        return re.sub(" at 0x[0-9a-f]+", "", repr(thing)) if type(thing).__module__ in _WITHOUT_PARTS else _slots(thing)
    attributes = {name: value for name, value in vars(thing).items() if name not in ("_compiled_call_impl", "forward")}
    return f"{type(thing).__name__}{shown(attributes, known)}"


def _slots(thing):
    names = getattr(type(thing), "__slots__", ())
    return f"{type(thing).__name__}{[(name, getattr(thing, name, None)) for name in names]}"


def assert_same(one, other):
    assert one.losses == other.losses
    assert [name for name in other.weights if one.weights.get(name) != other.weights[name]] == []
    assert one == other


def test_the_zoo_is_large():
    assert len(torch_zoo.ZOO) >= 60


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo's own, in a plain training
@pytest.mark.parametrize("name", torch_zoo.ZOO)
def test_training_is_the_same_to_the_last_bit(name, tmp_path):
    case = torch_zoo.ZOO[name]
    assert_same(train(case, tmp_path), train(case))
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 4, 5]


SABOTAGES = {
    "a torch random number": lambda model: torch.rand(1),
    "a NumPy random number": lambda model: np.random.rand(),
    "a Python random number": lambda model: random.random(),
    "a weight": lambda model: model[0].weight.data[0, 0].mul_(1 + 1e-6),
    "a buffer": lambda model: model[1].running_mean.add_(1e-6),
    "an attribute": lambda model: setattr(model[1], "eps", 1.1e-5),
    "a mode": lambda model: model[2].eval(),
}


@pytest.mark.parametrize("what", SABOTAGES)
def test_one_side_effect_of_the_pass_is_seen(what, tmp_path, monkeypatch):
    """The test above can fail: a pass that changes one thing makes it."""
    case = torch_zoo.Case(lambda: nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 4)))
    plain = train(case)
    original = FollowedModel.activations

    def activations(self: Any) -> Any:
        found = original(self)
        SABOTAGES[what](self.model)
        return found

    monkeypatch.setattr(FollowedModel, "activations", activations)
    with pytest.raises(AssertionError):
        assert_same(train(case, tmp_path), plain)
