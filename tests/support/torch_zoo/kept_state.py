"""State that a forward writes."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import copy
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

from tests.support.torch_zoo.kit import CLASSES, SEEN, TOTALS, WIDTH, Body, around, case

CALLS = 0


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
