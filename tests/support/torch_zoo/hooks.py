"""Hooks."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import functools
from typing import Any

from torch import nn

from tests.support.torch_zoo.kit import Body, around, case


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
