"""Small torch models, one of each kind of state that a forward may keep: look-alikes of what people and libraries write."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import copy
import functools
import itertools
import random
import warnings
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

WIDTH, CLASSES, BATCH = 6, 4, 8

Build = Callable[[], nn.Module]

SEEN: list[float] = []
"""What a hook and a forward keep outside of every module."""

TOTALS = {"calls": 0}
CALLS = 0


@dataclass(frozen=True)
class Case:
    """A model and what is special in its training.

    Attributes:
        build: makes the model.
        penalty: what is added to the loss after each forward.
        images: whether it takes images rather than vectors.
        after_step: called with the model after each update.
    """

    build: Build
    penalty: Callable[[nn.Module], Any] | None = None
    images: bool = False
    after_step: Callable[[nn.Module], None] | None = None


ZOO: dict[str, Case] = {}


def case(**special: Any) -> Callable[[Any], Any]:
    """Puts a class, or a function that builds a model, into the zoo."""

    def add(build: Any) -> Any:
        ZOO[build.__name__] = Case(build, **special)
        return build

    return add


class Body(nn.Module):
    """Two linear layers around what is to be tried."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def middle(self, x: Any) -> Any:
        return x

    def forward(self, x: Any) -> Any:
        return self.last(self.middle(torch.relu(self.first(x))))


def around(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), *parts, nn.Linear(WIDTH, CLASSES))


def images(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(CLASSES))


# Modes: train() and eval() that do more than set flags


class Merging(nn.Linear):
    """LoRA that merges into its weight for evaluation."""

    def __init__(self, *, both: bool = True) -> None:
        super().__init__(WIDTH, WIDTH)
        self.a, self.b = nn.Parameter(torch.randn(2, WIDTH) * 0.1), nn.Parameter(torch.randn(WIDTH, 2) * 0.1)
        self.merged, self.both = False, both
        self.weight.requires_grad_(False)

    def train(self, mode: bool = True) -> Any:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (self.b @ self.a) * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x: Any) -> Any:
        y = F.linear(x, self.weight, self.bias)
        return y if self.merged else y + (x @ self.a.T) @ self.b.T


@case()
def lora_that_merges() -> nn.Module:
    return around(nn.ReLU(), Merging(), nn.ReLU())


class FusedBranches(nn.Module):
    """RepVGG: `eval()` makes one kernel of two branches and throws the branches away; `train()` makes them again."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.fused = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), None

    def eval(self) -> Any:
        self.fused = nn.Linear(WIDTH, WIDTH)
        self.fused.weight = nn.Parameter(self.one.weight + self.other.weight)
        self.fused.bias = nn.Parameter(self.one.bias + self.other.bias)
        del self.one, self.other
        return super().eval()

    def forward(self, x: Any) -> Any:
        return self.one(x) + self.other(x) if self.training else self.fused(x)


@case()
def branches_fused_by_eval() -> nn.Module:
    return around(FusedBranches(), nn.ReLU())


class FrozenNorm(nn.BatchNorm1d):
    def train(self, mode: bool = True) -> Any:
        return super().train(False)


@case()
def frozen_batch_norm() -> nn.Module:
    return around(FrozenNorm(WIDTH).train(), nn.ReLU()).train()


@case()
class CountsModes(Body):
    """Its `train()` counts how often it was called."""

    changes = 0

    def train(self, mode: bool = True) -> Any:
        self.changes += 1
        return super().train(mode)


@case()
class SwitchesTeacher(Body):
    """`eval()` swaps an average in, and `train()` swaps it out."""

    def __init__(self) -> None:
        super().__init__()
        self.average = [parameter.detach().clone() * 0.5 for parameter in self.last.parameters()]

    def train(self, mode: bool = True) -> Any:
        if hasattr(self, "average") and mode != self.training:
            for parameter, other in zip(self.last.parameters(), self.average, strict=True):
                parameter.data, other.data = other.data, parameter.data
        return super().train(mode)


@case()
class AlwaysDrops(Body):
    """Monte Carlo dropout: on in both modes."""

    def middle(self, x: Any) -> Any:
        return F.dropout(x, 0.3, training=True)


@case()
def part_in_evaluation_mode() -> nn.Module:
    model = around(nn.BatchNorm1d(WIDTH), nn.Dropout(0.2))
    model[1].eval()
    return model


# Normalisation, dropout and other users of random numbers


@case(images=True)
def norms_and_dropouts() -> nn.Module:
    return images(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.3), nn.InstanceNorm2d(4, track_running_stats=True), nn.RReLU())


@case()
def batch_norm_without_momentum() -> nn.Module:
    return around(nn.BatchNorm1d(WIDTH, momentum=None), nn.AlphaDropout(0.2), nn.FeatureAlphaDropout(0.2))


@case()
class NumpyNoise(Body):
    def middle(self, x: Any) -> Any:
        return x * torch.from_numpy(np.random.rand(*x.shape).astype(np.float32))


@case()
class PythonChoice(Body):
    """Stochastic depth by Python's random numbers, in both modes."""

    def middle(self, x: Any) -> Any:
        return x + torch.relu(x) if random.random() < 0.5 else x


@case()
class StochasticDepth(Body):
    def middle(self, x: Any) -> Any:
        keep = torch.rand(len(x), 1) < 0.8
        return x + torch.tanh(x) * keep


@case()
class Gumbel(Body):
    def middle(self, x: Any) -> Any:
        return F.gumbel_softmax(x, hard=not self.training)


@case()
class OwnGenerator(Body):
    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(4)
        self.others = {"numpy": np.random.default_rng(2), "old": np.random.RandomState(3), "python": random.Random(5)}

    def middle(self, x: Any) -> Any:
        noise = torch.randn(x.shape, generator=self.generator)
        scale = self.others["numpy"].random() + self.others["old"].rand() + self.others["python"].random()
        return x + noise * scale * 0.1


@case()
class Reparametrised(Body):
    """A variational bottleneck that draws in both modes and keeps its divergence."""

    divergence: Any = 0.0

    def middle(self, x: Any) -> Any:
        self.divergence = x.pow(2).mean()
        return x + torch.randn_like(x) * 0.1


# State that a forward writes


class ActNorm(nn.Module):
    """Glow: the first batch sets the parameters."""

    def __init__(self, *, flag: str = "buffer") -> None:
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.zeros(WIDTH)), nn.Parameter(torch.ones(WIDTH))
        self.flag = flag
        self.ready = False
        self.register_buffer("done", torch.tensor(0, dtype=torch.uint8))

    def forward(self, x: Any) -> Any:
        if not (self.ready if self.flag == "python" else bool(self.done)):
            self.shift.data.copy_(-x.detach().mean(0))
            self.scale.data = 1 / (x.detach().std(0) + 1e-3)
            self.done.fill_(1)
            self.ready = True
        return (x + self.shift) * self.scale


@case()
def act_norm() -> nn.Module:
    return around(ActNorm())


@case()
def act_norm_with_a_python_flag() -> nn.Module:
    return around(ActNorm(flag="python"))


@case()
class RunningScale(Body):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("hidden", torch.zeros(2), persistent=False)

    def middle(self, x: Any) -> Any:
        self.scale.mul_(0.9).add_(0.1 * x.detach().abs().max())
        self.hidden[0] += 1
        return x / self.scale


@case()
class ReplacedBuffer(Body):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH))

    def middle(self, x: Any) -> Any:
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean


@case()
class BufferOnFirstCall(Body):
    def middle(self, x: Any) -> Any:
        if not hasattr(self, "first_mean"):
            self.register_buffer("first_mean", x.detach().mean(0))
        return x - self.first_mean


@case()
class ParameterOnFirstCall(Body):
    """Makes a parameter out of the first batch; no optimizer has it."""

    def middle(self, x: Any) -> Any:
        if not hasattr(self, "offset"):
            self.offset = nn.Parameter(x.detach().mean(0) + torch.rand(WIDTH))
        return x - self.offset


@case()
class MemoryBank(Body):
    def __init__(self) -> None:
        super().__init__()
        self.bank: list[Any] = []

    def middle(self, x: Any) -> Any:
        self.bank = [*self.bank, x.detach().mean(0)][-4:]
        return x - torch.stack(self.bank).mean(0)


@case()
class Queue(Body):
    """MoCo: a momentum encoder, and a queue with a pointer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(self.first).requires_grad_(False)
        self.register_buffer("queue", torch.randn(5, WIDTH))
        self.pointer = 0

    def middle(self, x: Any) -> Any:
        with torch.no_grad():
            for mine, other in zip(self.encoder.parameters(), self.first.parameters(), strict=True):
                mine.mul_(0.9).add_(other, alpha=0.1)
            self.queue[self.pointer] = self.encoder(x).mean(0)
        self.pointer = (self.pointer + 1) % 5
        return x + self.queue.mean(0)


@case()
class Codebook(Body):
    """VQ-VAE with averages, and entries that are drawn anew when nobody uses them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randn(4, WIDTH))
        self.register_buffer("sizes", torch.ones(4))

    def middle(self, x: Any) -> Any:
        index = torch.cdist(x.detach(), self.codes).argmin(1)
        hits = F.one_hot(index, 4).float()
        self.sizes.data.mul_(0.8).add_(hits.sum(0), alpha=0.2)
        self.codes.data.lerp_((hits.T @ x.detach()) / self.sizes[:, None], 0.2)
        self.codes.data[self.sizes < 0.5] = torch.randn(WIDTH)
        return x + (self.codes[index] - x).detach()


@case()
class Counters(Body):
    """Numbers, containers and objects of all kinds that a forward counts in."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.total = 0, 0.0
        self.shapes: Counter[Any] = Counter()
        self.recent: deque[float] = deque(maxlen=3)
        self.by_kind: dict[str, list[int]] = defaultdict(list)
        self.order: OrderedDict[int, float] = OrderedDict()
        self.seen: set[int] = set()
        self.text = bytearray(b"a")
        self.array = np.zeros(3)
        self.space = SimpleNamespace(count=0, nested={"deep": [0]})
        self.pair = namedtuple("Pair", "log other")([], {})

    def middle(self, x: Any) -> Any:
        value = float(x.detach().mean())
        self.calls += 1
        self.total += value
        self.shapes[tuple(x.shape)] += 1
        self.recent.append(value)
        self.by_kind[str(self.training)].append(self.calls)
        self.order[self.calls] = value
        self.order.move_to_end(next(iter(self.order)))
        self.seen.add(self.calls)
        self.text += b"b"
        self.array[self.calls % 3] += value
        self.space.count += 1
        self.space.nested["deep"][0] += 1
        self.pair.log.append(value)
        return x * (1 + 0.01 * self.calls + 0.1 * float(np.mean(self.recent)))


@dataclass
class Statistics:
    """An object of the user's own that a module keeps."""

    count: int = 0
    values: list[float] = field(default_factory=list)
    mean: Any = None

    def update(self, x: Any) -> None:
        self.count += 1
        self.values.append(float(x.mean()))
        self.mean = x.mean(0) if self.mean is None else 0.9 * self.mean + 0.1 * x.mean(0)


class Slotted:
    __slots__ = ("count", "unset")

    def __init__(self) -> None:
        self.count = 0


@case()
class OwnObjects(Body):
    def __init__(self) -> None:
        super().__init__()
        self.statistics, self.slotted = Statistics(), Slotted()
        self.closure = self.counting()

    @staticmethod
    def counting() -> Callable[[], int]:
        calls = 0

        def count() -> int:
            nonlocal calls
            calls += 1
            return calls

        return count

    def middle(self, x: Any) -> Any:
        self.statistics.update(x.detach())
        self.slotted.count += 1
        return x - self.statistics.mean * 0.1 * self.slotted.count + 0.01 * self.closure()


@case()
class ClassCounter(Body):
    """Counts in its class, in a module's globals and in a default argument."""

    calls = 0
    log: list[int] = []  # noqa: RUF012  # this is what is tried

    def middle(self, x: Any, memory: list[float] = []) -> Any:  # noqa: B006  # as above
        global CALLS
        type(self).calls += 1
        CALLS += 1
        self.log.append(CALLS)
        TOTALS["calls"] += 1
        SEEN.append(float(x.detach().mean()))
        memory.append(1.0)
        return x * (1 + 0.01 * (type(self).calls + CALLS + TOTALS["calls"] + len(SEEN) + len(memory) + len(self.log)))


@case()
class ShapeCache(Body):
    """Masks by shape, made at random when a shape is first seen."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[Any, Any] = {}

    def middle(self, x: Any) -> Any:
        if x.shape not in self.masks:
            self.masks[x.shape] = torch.rand(x.shape)
        return x * self.masks[x.shape]


@case()
class KeptState(Body):
    """A recurrent network that goes on from where the last batch ended."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(WIDTH, WIDTH)
        self.state: Any = None

    def middle(self, x: Any) -> Any:
        self.state = self.cell(x[:4], None if self.state is None else self.state.detach())
        return x + self.state.mean(0)


@case()
class KeyValueCache(Body):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Any] = {"keys": torch.zeros(0, WIDTH)}
        self.place = torch.zeros(3, WIDTH)

    def middle(self, x: Any) -> Any:
        self.cache["keys"] = torch.cat([self.cache["keys"], x.detach()[:1]])[-3:]
        self.place[: len(self.cache["keys"])] = self.cache["keys"]
        return x + self.place.sum(0) * 0.1


@case()
class HiddenTeacher(Body):
    """A second network in a list, so that nobody counts its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH))]

    def middle(self, x: Any) -> Any:
        return x + self.hidden[0](x).detach()


@case()
class LossScale(Body):
    """Adapts a number to what it sees, through the memory that NumPy shares with a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(2))
        self.shared = self.scale.numpy()

    def middle(self, x: Any) -> Any:
        self.shared[0] *= 1.01
        self.first.bias.detach().numpy()[0] += 0.01
        return x * self.scale[0]


@case()
class NewGradients(Body):
    """Calls backward within its forward, so that gradients gather."""

    def middle(self, x: Any) -> Any:
        with torch.enable_grad():
            self.last.weight.square().sum().backward()
        return x


@case()
class TogglesGradients(Body):
    def middle(self, x: Any) -> Any:
        self.first.bias.requires_grad_(not self.training)
        return x


@case(images=True)
def quantisation_aware() -> nn.Module:
    from torch.ao import quantization as q

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(q.QuantStub(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, CLASSES), q.DeQuantStub())
        model.qconfig = q.get_default_qat_qconfig("fbgemm")
        return q.prepare_qat(model.train())


class Observer(nn.Module):
    """A look-alike of a moving-average observer with a fake quantisation."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = None, None
        self.enabled = [True]

    def forward(self, x: Any) -> Any:
        low, high = float(x.detach().min()), float(x.detach().max())
        self.low = low if self.low is None else 0.9 * self.low + 0.1 * low
        self.high = high if self.high is None else 0.9 * self.high + 0.1 * high
        return torch.fake_quantize_per_tensor_affine(x, (self.high - self.low) / 255 + 1e-6, 0, -128, 127)


@case()
def observer() -> nn.Module:
    return around(Observer(), nn.ReLU())


# Weights that are made of others


@case()
def spectral_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return around(nn.utils.spectral_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def spectral_norm_as_parametrisation() -> nn.Module:
    return around(parametrizations.spectral_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def weight_norm() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return around(nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def weight_norm_as_parametrisation() -> nn.Module:
    return around(parametrizations.weight_norm(nn.Linear(WIDTH, WIDTH)), nn.ReLU())


@case()
def orthogonal() -> nn.Module:
    return around(parametrizations.orthogonal(nn.Linear(WIDTH, WIDTH)))


@case()
def pruned() -> nn.Module:
    model = around(nn.ReLU())
    prune.l1_unstructured(model[0], "weight", 0.3)
    prune.random_unstructured(model[2], "bias", 0.5)
    return model


@case()
def weight_set_by_a_hook() -> nn.Module:
    """Weight standardisation of the user's own, in a hook before the forward."""
    linear = nn.Linear(WIDTH, WIDTH)
    stored = nn.Parameter(linear.weight.detach().clone())
    del linear._parameters["weight"]
    linear.register_parameter("stored", stored)
    linear.weight = stored.detach()

    def standardise(module: Any, arguments: Any) -> None:
        module.weight = (module.stored - module.stored.mean()) / (module.stored.std() + 1e-3)

    linear.register_forward_pre_hook(standardise)
    return around(linear)


# Hooks


@case()
def hook_that_counts_and_changes() -> nn.Module:
    model = around(nn.ReLU())
    memory = {"calls": 0}

    def hook(module: Any, arguments: Any, output: Any) -> Any:
        memory["calls"] += 1
        return output * (1 + 0.01 * memory["calls"])

    model[0].register_forward_hook(hook)
    model.memory = memory
    return model


def _penalty_of(model: Any) -> Any:
    kept, model.kept[:] = list(model.kept), []
    assert len(kept) == 1, f"{len(kept)} outputs were collected in one forward"
    return kept[0].pow(2).mean()


@case(penalty=_penalty_of)
def hook_that_collects() -> nn.Module:
    model = around(nn.ReLU())
    model.kept = []
    model[0].register_forward_hook(lambda module, arguments, output: model.kept.append(output))
    return model


@case(penalty=_penalty_of)
def hook_method_that_collects() -> nn.Module:
    class Collector:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def take(self, module: Any, arguments: Any, output: Any) -> None:
            self.kept.append(output)

    model, collector = around(nn.ReLU()), Collector()
    model.kept = collector.kept
    model[2].register_forward_hook(collector.take)
    return model


@case()
def hooks_of_all_kinds_that_only_look_on() -> nn.Module:
    model = around(nn.ReLU())
    model.log = log = []

    def before(module: Any, arguments: Any) -> None:
        log.append("before")

    def backward(module: Any, inputs: Any, outputs: Any) -> None:
        log.append("backward")

    model[0].register_forward_pre_hook(before)
    model[1].register_full_backward_hook(backward)
    model[2].register_full_backward_pre_hook(lambda module, outputs: log.append("backward before"))
    model[2].weight.register_hook(lambda gradient: log.append("gradient"))
    return model


@case()
class FeaturesByHook(Body):
    """A decoder that reads what a hook has kept of the encoder, as U-Nets made by hooks do."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: Any = None
        self.first.register_forward_hook(self.store)

    def store(self, module: Any, arguments: Any, output: Any) -> None:
        self.stored = output

    def middle(self, x: Any) -> Any:
        return x + self.stored


@case()
class StackByHook(Body):
    """As before with a stack, which is empty if the hook does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[Any] = []
        self.first.register_forward_hook(self.push)

    def push(self, module: Any, arguments: Any, output: Any) -> None:
        self.stack.append(output)

    def middle(self, x: Any) -> Any:
        return x + self.stack.pop()


@case()
def hook_made_of_a_partial() -> nn.Module:
    model = around(nn.ReLU())
    totals: dict[str, float] = {"sum": 0.0}

    def add(kept: dict[str, float], module: Any, arguments: Any, output: Any) -> None:
        kept["sum"] += float(output.detach().sum())

    model.totals = totals
    model[0].register_forward_hook(functools.partial(add, totals))
    return model


# Forwards that differentiate, lazy modules, unusual ways to compute


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
