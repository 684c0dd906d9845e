"""Where a traced pass puts out what can be logged: outputs of modules, of activation functions, and of products with parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tb_featuremap_plugin.integrations.jax.axes import SAME, UNKNOWN, Axes, filled, is_of_parameter, parameter_of
from tb_featuremap_plugin.integrations.jax.graph import Walk, activation_around, activation_called
from tb_featuremap_plugin.integrations.jax.module_calls import marked_call
from tb_featuremap_plugin.integrations.jax.operations import axes_after, kernel_layout


@dataclass(frozen=True)
class Meaning:
    """What is known of a value: its axes, and the names of the layers that it came from, in the order of their calls."""

    axes: Axes
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Site:
    """A value in the walk that can be logged.

    Attributes:
        number: of the equation that puts it out.
        name: of the layer.
        call: number of the module call; None for a function and a product.
        kind: the function, "conv" or "dense"; None for a module.
        meaning: of the value.
        inputs: names of the layers before it.
    """

    number: int
    name: str
    call: int | None
    kind: str | None
    meaning: Meaning
    inputs: tuple[str, ...]


@dataclass
class Meanings:
    """The domain of meanings of a walk: follows axes, connections and kernels.

    Attributes:
        units: names of modules by the number of those calls whose outputs are layers.
        containers: names by number of the calls that only hold others; the model itself is "".
        sites: what was found, in the order of the pass.
        kernels: layouts, such as "HWIO", of parameters that data is multiplied with.
    """

    units: Mapping[int, str]
    containers: Mapping[int, str]
    sites: list[Site] = field(default_factory=list)
    kernels: dict[str, str] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)
    _in_parts: tuple[int, str] = (-1, "")

    def literal(self, value: Any) -> Meaning:
        """A constant says nothing of its axes."""
        return Meaning(filled(SAME, np.shape(value)))

    def apply(self, equation: Any, operands: Sequence[Meaning]) -> list[Meaning]:
        """Axes by the rules of the primitive; sources of all operands together."""
        sources = tuple(dict.fromkeys(name for one in operands for name in one.sources))
        if equation.primitive.name == "scan":
            return [Meaning(axes, sources) for axes in _axes_of_loop(equation, operands)]
        return [Meaning(_axes(equation, operands, variable), sources) for variable in equation.outvars]

    def parts(self, stacked: Meaning, length: int) -> list[Meaning]:
        """Slices without the first axis."""
        return [Meaning(stacked.axes[1:], stacked.sources)] * length

    def stack(self, values: Sequence[Meaning], over: Sequence[Meaning]) -> Meaning:
        """As `_stacked`."""
        return Meaning(_stacked(values[-1].axes, len(values), over), values[-1].sources)

    def saw(self, number: int, equation: Any, operands: Sequence[Meaning], outputs: list[Meaning], call: int | None) -> None:
        """Notes layers and kernels."""
        kernel = kernel_layout(equation, [one.axes for one in operands])
        if kernel is not None:
            self.kernels.setdefault(*kernel)
        marked = marked_call(equation.params["name"]) if equation.primitive.name == "name" else None
        if marked is not None and marked in self.units:
            self._note(Site(number, self._fresh(self.units[marked]), marked, None, outputs[0], outputs[0].sources), outputs)
        elif call is not None and call not in self.containers:
            return
        elif kernel is not None:
            kind = "conv" if equation.primitive.name == "conv_general_dilated" else "dense"
            name = self._owner(kernel[0], "" if call is None else self.containers[call], kind)
            self._note(Site(number, self._fresh(name), None, kind, outputs[0], outputs[0].sources), outputs)
        elif not self._is_bias(number, equation, operands, outputs):
            self._note_function(number, equation, outputs, "" if call is None else self.containers[call])

    def _note(self, site: Site, outputs: list[Meaning]) -> None:
        self.sites.append(site)
        outputs[0] = Meaning(outputs[0].axes, (site.name,))

    def _owner(self, parameter: str, container: str, kind: str) -> str:
        """The layer that a parameter of no module belongs to: "conv" of "conv/kernel", and "w1:dense" of a lone "w1"."""
        owner = parameter.rpartition("/")[0]
        return f"{parameter}:{kind}" if owner in ("", container) else owner

    def _fresh(self, name: str) -> str:
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name}:{self._names[name]}"

    def _is_bias(self, number: int, equation: Any, operands: Sequence[Meaning], outputs: list[Meaning]) -> bool:
        """Whether the equation adds a parameter to the product before it; that then ends the layer."""
        last = self.sites[-1] if self.sites else None
        if equation.primitive.name not in ("add", "add_any") or last is None or last.kind not in ("conv", "dense"):
            return False
        adds = any(not one.sources and _parameters(one) for one in operands) and any(one.sources == (last.name,) for one in operands)
        if adds:
            self.sites[-1] = replace(last, number=number, meaning=Meaning(outputs[0].axes, last.meaning.sources))
        return adds

    def _note_function(self, number: int, equation: Any, outputs: list[Meaning], container: str) -> None:
        function = activation_called(equation)
        part = activation_around(equation) if function is None else None
        name = function or part
        if name is None or not outputs or not outputs[0].sources:
            return
        if part is not None and self._in_parts == (number - 1, part):
            last = self.sites.pop()
            self._note(replace(last, number=number, meaning=outputs[0]), outputs)
        else:
            layer = self._fresh(f"{container}:{name}" if container else name)
            self._note(Site(number, layer, None, name, outputs[0], outputs[0].sources), outputs)
        self._in_parts = (number, part) if part is not None else (-1, "")


def _stacked(axes: Axes, length: int, over: Sequence[Meaning]) -> Axes:
    """The axis that a loop puts in front is that of the data that it goes over, where that is one and known."""
    firsts = {one.axes[0] for one in over if one.axes and one.axes[0]}
    known = [first for first in firsts if all(factor.known and not is_of_parameter(factor) for factor in first)]
    return (known[0] if len(known) == 1 else filled(UNKNOWN, (length,))[0], *axes)


def _axes_of_loop(equation: Any, operands: Sequence[Meaning]) -> list[Axes]:
    """Axes of what a loop puts out that is not looked into one by one: those after its second repetition, whose carry is settled."""
    params, body = equation.params, equation.params["jaxpr"]
    fixed, carried = list(operands[: params["num_consts"]]), list(operands[params["num_consts"] :][: params["num_carry"]])
    over = operands[params["num_consts"] + params["num_carry"] :]
    outputs: list[Meaning] = []
    for _ in range(2):
        inner = Meanings({}, {})
        arguments = [*fixed, *carried, *(inner.parts(one, 1)[0] for one in over)]
        outputs = Walk(inner).run(body.jaxpr, [inner.literal(value) for value in body.consts], arguments)
        carried = outputs[: params["num_carry"]]
    rows = outputs[params["num_carry"] :]
    return [*(one.axes for one in carried), *(_stacked(one.axes, params["length"], over) for one in rows)]


def _axes(equation: Any, operands: Sequence[Meaning], variable: Any) -> Axes:
    shape = tuple(getattr(variable.aval, "shape", ()))
    axes = axes_after(equation, [one.axes for one in operands], shape)
    return axes if len(axes) == len(shape) else filled(UNKNOWN, shape)


def _parameters(meaning: Meaning) -> set[str]:
    return {parameter_of(factor)[0] for one in meaning.axes for factor in one if is_of_parameter(factor)}
