"""Forwards that differentiate, lazy modules, unusual ways to compute."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import copy
import itertools
import warnings
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tests.support.torch_zoo.kit import CLASSES, SEEN, WIDTH, ZOO, Body, Case, around, case, images


@case()
class GradientPenalty(Body):
    def middle(self, x: Any) -> Any:
        (gradient,) = torch.autograd.grad(self.last(x).sum(), x, create_graph=True)
        return x + gradient * 0.1


@case()
class Physics(Body):
    """A network and its derivative with respect to its input."""

    def forward(self, x: Any) -> Any:
        x = x.requires_grad_(True)
        out = super().forward(torch.tanh(x))
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        return out + slope[:, :CLASSES]


@case()
class InnerLoop(Body):
    """One step of gradient descent within the forward, on a copy of its weights."""

    def forward(self, x: Any) -> Any:
        with torch.enable_grad():
            weight = self.last.weight.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad((self.first(x) @ weight.T).square().mean(), weight)
        return F.linear(torch.relu(self.first(x)), self.last.weight - 0.1 * gradient, self.last.bias)


@case()
class UnusualMemory(Body):
    """Buffers whose entries lie in the same place, and conjugated ones."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("expanded", torch.ones(1).expand(WIDTH))
        self.register_buffer("windows", torch.arange(8.0).as_strided((4, 3), (1, 1)))
        self.register_buffer("phases", torch.ones(WIDTH, dtype=torch.cfloat).conj())
        self.one = self.expanded[:1]

    def middle(self, x: Any) -> Any:
        self.one *= 1.01
        self.windows[0] += 1
        self.phases *= 1j
        return x * self.expanded * (1 + 0.01 * self.windows.sum()) + self.phases.real


@case()
class LearnsWhileUsed(Body):
    """Test-time training: a part with an optimizer of its own, which steps in the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.__dict__["optimizer"] = torch.optim.Adam(self.inner.parameters(), 0.01)
        self.__dict__["schedule"] = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)

    def middle(self, x: Any) -> Any:
        with torch.enable_grad():
            error = (self.inner(x.detach()) - x.detach()).square().mean()
            self.optimizer.zero_grad()
            error.backward()
        self.optimizer.step()
        self.schedule.step()
        return x + self.inner(x).detach()


@case()
class Checkpointed(Body):
    def middle(self, x: Any) -> Any:
        return checkpoint(lambda part: F.dropout(torch.tanh(part), 0.2, self.training), x, use_reentrant=False)


@case()
def lazy_linear() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(WIDTH), nn.LazyBatchNorm1d(), nn.Dropout(0.1), nn.LazyLinear(CLASSES))


@case(images=True)
def lazy_convolutions() -> nn.Module:
    return images(nn.LazyConv2d(4, 3), nn.LazyInstanceNorm2d(), nn.LazyConvTranspose2d(3, 2), nn.LazyBatchNorm2d())


@case()
class Recurrent(Body):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(WIDTH, WIDTH, num_layers=2, dropout=0.2, batch_first=True)

    def middle(self, x: Any) -> Any:
        return self.lstm(x[:, None])[0][:, 0]


@case()
class Experts(Body):
    """Routed experts with their loads and a loss of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleDict({str(index): nn.Linear(WIDTH, WIDTH) for index in range(3)})
        self.gate = nn.Linear(WIDTH, 3)
        self.loads = dict.fromkeys(self.experts, 0)
        self.balance: Any = None

    def middle(self, x: Any) -> Any:
        scores = (self.gate(x) + torch.randn(len(x), 3) * 0.1).softmax(1)
        self.balance = scores.mean(0).square().sum()
        for name, index in zip(self.experts, range(3), strict=True):
            self.loads[name] += int((scores.argmax(1) == index).sum())
        return sum(scores[:, index, None] * expert(x) for index, expert in enumerate(self.experts.values()))


ZOO["Experts"] = Case(Experts, penalty=lambda model: model.balance)


@case()
class Attention(Body):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.1, batch_first=True)

    def middle(self, x: Any) -> Any:
        return self.layer(x[None])[0]


@case()
def compiled() -> nn.Module:
    return around(torch.compile(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()), backend="eager"))


@case()
def scripted_part() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return around(torch.jit.script(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())))


@case()
class Mapped(Body):
    def middle(self, x: Any) -> Any:
        return torch.vmap(lambda row: row * self.first.bias)(x)


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        SEEN.append(1.0)
        return x.sign()

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient


@case()
class Binarised(Body):
    def middle(self, x: Any) -> Any:
        return StraightThrough.apply(x)


@case()
class InPlace(Body):
    """Works in place, on what it was given too."""

    def forward(self, x: Any) -> Any:
        x.mul_(1.0 + 0.001)
        return self.last(self.first(x).relu_())


@case()
class Rescaled(Body):
    """Clips its own weights in the forward, as Wasserstein critics do."""

    def middle(self, x: Any) -> Any:
        with torch.no_grad():
            self.last.weight.clamp_(-0.2, 0.2)
            self.first.weight.copy_(F.normalize(self.first.weight, dim=1))
        return x


@case()
class SwapsData(Body):
    """Gives a parameter other memory in each forward."""

    def middle(self, x: Any) -> Any:
        self.first.bias.data = self.first.bias.data * 0.99
        return x


@case()
class Iterators(Body):
    """Goes round a list by an iterator that it makes anew, and counts by a generator of its own in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.counter = itertools.count()
        self.last_number = -1

    def middle(self, x: Any) -> Any:
        if self.training:
            self.last_number = next(self.counter)
        return x * (1 + 0.01 * self.last_number)


@case()
class Schedule(Body):
    """A temperature that falls with every forward, kept in a plain tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = torch.tensor(2.0)

    def middle(self, x: Any) -> Any:
        self.temperature *= 0.99
        return x / self.temperature


def _move_average(model: Any) -> None:
    with torch.no_grad():
        for mine, other in zip(model.average.parameters(), model.first.parameters(), strict=True):
            mine.lerp_(other, 0.1)


@case(after_step=_move_average)
class MeanTeacher(Body):
    def __init__(self) -> None:
        super().__init__()
        self.average = copy.deepcopy(self.first).requires_grad_(False)

    def middle(self, x: Any) -> Any:
        return x


@case()
def tied() -> nn.Module:
    model = around(nn.Linear(WIDTH, WIDTH), nn.ReLU())
    model[1].weight = model[0].weight
    return model


@case()
class ParameterList(Body):
    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(WIDTH)) for _ in range(2)])
        self.named = nn.ParameterDict({"shift": nn.Parameter(torch.zeros(WIDTH))})

    def middle(self, x: Any) -> Any:
        return x * self.scales[0] * self.scales[1] + self.named["shift"]
