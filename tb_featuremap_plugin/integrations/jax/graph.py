"""Walks through a jaxpr, either over the meaning of axes or over the arrays themselves, in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from tb_featuremap_plugin.integrations.jax.module_calls import innermost_call, marked_call
from tb_featuremap_plugin.schema import activations

_INLINED = frozenset(
    {
        *("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"),
        *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
    }
)
_NN_FUNCTIONS = "jax/_src/nn/functions.py"
LONGEST_LOOP = 64
"""Repetitions of a `scan` up to which its modules are looked into, one by one; a longer one is passed as a whole."""


class Domain(Protocol):
    """What a walk computes with."""

    def literal(self, value: Any) -> Any:
        """A constant of the jaxpr."""

    def apply(self, equation: Any, operands: Sequence[Any]) -> list[Any]:
        """The outputs of an equation."""

    def parts(self, stacked: Any, length: int) -> list[Any]:
        """The slices along the first axis of what a loop goes over."""

    def stack(self, values: Sequence[Any], over: Sequence[Any]) -> Any:
        """What a loop put out in each repetition, as one; `over` is what it went over."""

    def saw(self, number: int, equation: Any, operands: Sequence[Any], outputs: list[Any], call: int | None) -> None:
        """Is told of each equation by its number in the walk, and of the module call that it stands in; may replace the outputs."""


class Walk:
    """One walk through a jaxpr.

    Args:
        domain: computes the values.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._count = 0

    def run(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any], call: int | None = None) -> list[Any]:
        """The values of a jaxpr's outputs."""
        known: dict[Any, Any] = {}

        def read(variable: Any) -> Any:
            return self._domain.literal(variable.val) if hasattr(variable, "val") else known[variable]

        known.update(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))
        for equation in jaxpr.eqns:
            operands = [read(variable) for variable in equation.invars]
            inner = innermost_call(str(equation.source_info.name_stack))
            at = call if inner is None else inner
            outputs = self._outputs(equation, operands, at)
            self._count += 1
            self._domain.saw(self._count, equation, operands, outputs, at)
            known.update(zip(equation.outvars, outputs, strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def _outputs(self, equation: Any, operands: list[Any], call: int | None) -> list[Any]:
        name = equation.primitive.name
        inner = body_of(equation) if activation_called(equation) is None else None
        if inner is not None:
            jaxpr, constants = inner
            if len(jaxpr.invars) == len(operands):
                return self.run(jaxpr, [self._domain.literal(value) for value in constants], operands, call)
        if name == "scan" and equation.params["length"] <= LONGEST_LOOP and _holds_marks(equation.params["jaxpr"].jaxpr):
            return self._loop(equation, operands, call)
        return self._domain.apply(equation, operands)

    def _loop(self, equation: Any, operands: list[Any], call: int | None) -> list[Any]:
        params, body = equation.params, equation.params["jaxpr"]
        fixed, carried = operands[: params["num_consts"]], operands[params["num_consts"] :][: params["num_carry"]]
        over = operands[params["num_consts"] + params["num_carry"] :]
        slices = [self._domain.parts(one, params["length"]) for one in over]
        rows: list[list[Any]] = []
        order = range(params["length"])
        for index in reversed(order) if params["reverse"] else order:
            arguments = [*fixed, *carried, *(one[index] for one in slices)]
            outputs = self.run(body.jaxpr, [self._domain.literal(value) for value in body.consts], arguments, call)
            carried = outputs[: params["num_carry"]]
            rows.append(outputs[params["num_carry"] :])
        rows = rows[::-1] if params["reverse"] else rows
        return [*carried, *(self._domain.stack(column, over) for column in zip(*rows, strict=True))]


def body_of(equation: Any) -> tuple[Any, Sequence[Any]] | None:
    """The jaxpr that a call of another function runs, and its constants; None of what calls none, or repeats it."""
    if equation.primitive.name not in _INLINED:
        return None
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        found = equation.params.get(name)
        if found is not None:
            return (found.jaxpr, found.consts) if hasattr(found, "jaxpr") else (found, ())
    return None


def _holds_marks(jaxpr: Any) -> bool:
    return any(_is_mark(equation) or any(map(_holds_marks, _inner(equation))) for equation in jaxpr.eqns)


def _is_mark(equation: Any) -> bool:
    return equation.primitive.name == "name" and marked_call(equation.params["name"]) is not None


def _inner(equation: Any) -> Iterator[Any]:
    for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda one: hasattr(one, "eqns") or hasattr(one, "jaxpr")):
        if hasattr(value, "eqns"):
            yield value
        elif hasattr(getattr(value, "jaxpr", None), "eqns"):
            yield value.jaxpr


def activation_called(equation: Any) -> str | None:
    """The activation function that an equation calls as a whole, as "relu" of `jax.nn.relu`; None for anything else."""
    name = equation.params.get("name") if equation.primitive.name in _INLINED else None
    known = activations.find(name) if isinstance(name, str) else None
    return known.name if known is not None and known.name != "linear" else None


def activation_around(equation: Any) -> str | None:
    """The function of `jax.nn` that an equation is a part of, where JAX does not keep it as a whole, as of `jax.nn.gelu`."""
    trace = equation.source_info.traceback
    for frame in trace.frames if trace is not None else ():
        if frame.file_name.endswith(_NN_FUNCTIONS):
            known = activations.find(frame.function_name)
            if known is not None and known.name != "linear":
                return known.name
    return None


@dataclass
class Arrays:
    """The domain of arrays: computes, and keeps what is wanted by the number of its equation: its output, or one of its operands."""

    wanted: Mapping[int, str]
    kept: dict[str, Any] = field(default_factory=dict)
    operand: int | None = None

    def literal(self, value: Any) -> Any:
        """The constant itself."""
        return value

    def apply(self, equation: Any, operands: Sequence[Any]) -> list[Any]:
        """The primitive's outputs."""
        bound = equation.primitive.get_bind_params(equation.params)
        functions, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair until JAX 0.9
        outputs = equation.primitive.bind(*functions, *operands, **params)
        return list(outputs) if equation.primitive.multiple_results else [outputs]

    def parts(self, stacked: Any, length: int) -> list[Any]:
        """Slices along the first axis."""
        return [stacked[index] for index in range(length)]

    def stack(self, values: Sequence[Any], over: Sequence[Any]) -> Any:
        """One array of all."""
        return jnp.stack(values)

    def saw(self, number: int, equation: Any, operands: Sequence[Any], outputs: list[Any], call: int | None) -> None:
        """Keeps what is wanted."""
        if number in self.wanted:
            self.kept[self.wanted[number]] = outputs[0] if self.operand is None else operands[self.operand]
