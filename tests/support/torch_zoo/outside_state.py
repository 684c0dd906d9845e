"""State that a forward writes outside of its module, or that cannot be put back where it was."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator, name-defined"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import array
import contextvars
import functools
import io
import itertools
import os
import queue
import threading
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.support.torch_zoo import counters
from tests.support.torch_zoo.kit import Body, around, case


def _scaled(x: Any, calls: float) -> Any:
    return x * (1 + 0.01 * calls)


@case()
class HelperModule(Body):
    """Counts in a module of the program's own, by its name and by its function."""

    def __init__(self) -> None:
        super().__init__()
        counters.calls = 0
        counters.by_name.clear()
        counters.Registry.entries.clear()
        counters.noise.cache_clear()

    def middle(self, x: Any) -> Any:
        counters.calls += 1
        counters.by_name["middle"] = counters.by_name.get("middle", 0) + counters.count()
        counters.Registry.entries.append(1)
        return _scaled(x, counters.by_name["middle"] + len(counters.Registry.entries))


@case()
class CachedNoise(Body):
    """Noise from a cache with room for one size: another size would push it out."""

    def __init__(self) -> None:
        super().__init__()
        counters.noise.cache_clear()
        self.shifts = functools.lru_cache(maxsize=None)(lambda training: torch.rand(1))

    @functools.lru_cache(maxsize=4)  # noqa: B019  # as people write it
    def slope(self, size: int, training: bool) -> Any:
        return torch.rand(1)

    def middle(self, x: Any) -> Any:
        return x * counters.noise(len(x)) * self.slope(len(x), self.training) + self.shifts(self.training)


@case()
class CppIterators(Body):
    """Counters and schedules by iterators that are not written in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.schedule = zip(itertools.count(), itertools.cycle([1.0, 2.0, 3.0]), strict=False)
        self.parts = [enumerate("abcdefghijklmnop"), iter(dict.fromkeys(range(40), 1).items())]
        self.sums = itertools.accumulate(itertools.chain([1] * 3, [2] * 40))

    def middle(self, x: Any) -> Any:
        step, factor = next(self.schedule)
        return _scaled(x, next(self.numbers) + step / factor + next(self.parts[0])[0] + next(self.parts[1])[0] + next(self.sums))


class Meter:
    """Safe for several threads, of which there is one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.values: list[float] = []

    def add(self, value: float) -> int:
        with self.lock:
            self.values.append(value)
            return len(self.values)


@case()
class LockedMeter(Body):
    def __init__(self) -> None:
        super().__init__()
        self.meter, self.local = Meter(), threading.local()
        self.queue: queue.Queue[int] = queue.Queue()
        self.local.calls = 0

    def middle(self, x: Any) -> Any:
        self.queue.put(1)
        self.local.calls += 1
        return _scaled(x, self.meter.add(1.0) + self.queue.qsize() + self.local.calls)


@case()
class ContextAndEnvironment(Body):
    def __init__(self) -> None:
        super().__init__()
        self.calls = contextvars.ContextVar("calls", default=0)
        os.environ.pop("ZOO_CALLS", None)

    def middle(self, x: Any) -> Any:
        self.calls.set(self.calls.get() + 1)
        os.environ["ZOO_CALLS"] = str(int(os.environ.get("ZOO_CALLS", "0")) + 1)
        return _scaled(x, self.calls.get() + int(os.environ["ZOO_CALLS"]))


@case()
class FilesInMemory(Body):
    def __init__(self) -> None:
        super().__init__()
        self.text, self.raw, self.numbers = io.StringIO(), io.BytesIO(), array.array("i")

    def middle(self, x: Any) -> Any:
        self.text.write("a")
        self.raw.write(b"ab")
        self.numbers.append(1)
        return _scaled(x, self.text.tell() + self.raw.tell() + len(self.numbers))


class CountingDict(dict):  # type: ignore[type-arg]  # what it holds does not matter
    writes = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        self.writes += 1
        super().__setitem__(key, value)


@case()
class OwnContainers(Body):
    def __init__(self) -> None:
        super().__init__()
        self.results = CountingDict()

    def middle(self, x: Any) -> Any:
        self.results["middle"] = 1
        return _scaled(x, self.results.writes)


@case()
def class_in_a_closure() -> nn.Module:
    class Counter:
        calls = 0

    class Inner(Body):
        def middle(self, x: Any) -> Any:
            Counter.calls += 1
            return _scaled(x, Counter.calls)

    return Inner()


@case()
def class_that_is_given_a_cache() -> nn.Module:
    class Inner(Body):
        def middle(self, x: Any) -> Any:
            if not hasattr(type(self), "cache"):
                type(self).cache = {"noise": torch.rand(1)}
            return x * type(self).cache["noise"]

    return Inner()


@case()
class NewGlobal(Body):
    """A global that does not exist before its first use."""

    def __init__(self) -> None:
        super().__init__()
        globals().pop("FRESH", None)

    def middle(self, x: Any) -> Any:
        global FRESH
        FRESH = globals().get("FRESH", 0) + 1
        return _scaled(x, FRESH)


class Noisy(torch.autograd.Function):
    calls = 0

    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        Noisy.calls += 1
        return x * (1 + 0.01 * Noisy.calls)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient


@case()
def autograd_function_that_counts() -> nn.Module:
    Noisy.calls = 0

    class Inner(Body):
        def middle(self, x: Any) -> Any:
            return Noisy.apply(x)

    return Inner()


@case()
def hook_that_calls_a_lists_method() -> nn.Module:
    model = around(nn.ReLU())
    model.seen = []
    add = model.seen.append
    model[0].register_forward_hook(lambda module, arguments, output: add(float(output.detach().sum())))
    return model


@case()
class Switches(Body):
    """Switches of torch, NumPy and Python that a forward sets for good; the training sees whether they were set before its own."""

    def forward(self, x: Any) -> Any:
        first = torch.get_float32_matmul_precision() == "highest" and np.geterr()["divide"] == "warn"
        torch.set_float32_matmul_precision("high")
        np.seterr(divide="ignore")
        return super().forward(x) * (2.0 if first else 1.0)


@case()
def scripted_whole() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted: nn.Module = torch.jit.script(around(nn.ReLU()))
        return scripted
