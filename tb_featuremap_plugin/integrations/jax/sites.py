"""Where a traced pass puts out what can be logged: outputs of modules, of activation functions, and of products with parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tb_featuremap_plugin.integrations.common import axes as algebra
from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Labels, Origins
from tb_featuremap_plugin.integrations.jax.graph import Walk, activation_around, activation_called, body_of
from tb_featuremap_plugin.integrations.jax.kernels import kernel_layout
from tb_featuremap_plugin.integrations.jax.module_calls import marked_call
from tb_featuremap_plugin.integrations.jax.operations import Operation, labels_after


@dataclass(frozen=True)
class Meaning:
    """What is known of a value.

    Attributes:
        labels: of its axes.
        sources: names of the layers that it came from, in the order of their calls; "" is the model's input, and without any the value
            does not depend on it.
        parameters: names of those that it is made of, if it is made of them alone.
    """

    labels: Labels
    sources: tuple[str, ...] = ()
    parameters: frozenset[str] = frozenset()


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
        parameters: of a product, what it multiplies with and what is added to it.
    """

    number: int
    name: str
    call: int | None
    kind: str | None
    meaning: Meaning
    inputs: tuple[str, ...]
    parameters: tuple[str, ...] = ()


@dataclass
class Meanings:
    """The domain of meanings of a walk: follows axes, connections and kernels.

    Attributes:
        units: names of modules by the number of those calls whose outputs are layers.
        containers: names by number of the calls that only hold others; the model itself is "".
        sites: what was found, in the order of the pass.
        kernels: layouts, such as "HWIO", of parameters that data is multiplied with.
        tables: names of parameters whose rows are looked up.
        first_product: the number of the first equation that multiplies data with a kernel, the operand that is the data, and the kernel.
        used: names of the parameters that equations of a call were given.
        origins: of axes.
        parameter_axes: the parameter and the number of its axis, by origin.
    """

    units: Mapping[int, str]
    containers: Mapping[int, str]
    origins: Origins = field(default_factory=Origins)
    parameter_axes: dict[int, tuple[str, int]] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    kernels: dict[str, str] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    first_product: tuple[int, int, str] | None = None
    used: dict[int, set[str]] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)
    _outputs: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _in_parts: tuple[int, str] = (-1, "")

    def literal(self, value: Any) -> Meaning:
        """A constant says nothing of its axes."""
        return Meaning(algebra.unknown(np.shape(value), self.origins, aside=True))

    def parameter(self, name: str, shape: tuple[int, ...]) -> Meaning:
        """What is known of a parameter."""
        labels = algebra.unknown(shape, self.origins, aside=True)
        self.parameter_axes.update({axis[0].origin: (name, number) for number, axis in enumerate(labels.axes)})
        return Meaning(labels, parameters=frozenset({name}))

    def apply(self, equation: Any, operands: Sequence[Meaning]) -> list[Meaning]:
        """Axes by the rules of the primitive; sources of all operands together."""
        sources = tuple(dict.fromkeys(name for one in operands for name in one.sources))
        parameters = frozenset() if sources else frozenset(name for one in operands for name in one.parameters)
        return [Meaning(labels, sources, parameters) for labels in self._labels(equation, operands)]

    def _labels(self, equation: Any, operands: Sequence[Meaning]) -> list[Labels]:
        shapes = [tuple(getattr(variable.aval, "shape", ())) for variable in equation.outvars]
        found = _of_bodies(equation, operands, self.origins)
        if found is not None:
            return [
                labels if labels.shape == shape else algebra.unknown(shape, self.origins)
                for labels, shape in zip(found, shapes, strict=True)
            ]
        from_input = [bool(one.sources) for one in operands]
        name = equation.primitive.name
        return labels_after(Operation(name, equation.params, [one.labels for one in operands], from_input, shapes, self.origins))

    def parts(self, stacked: Meaning, length: int) -> list[Meaning]:
        """Slices without the first axis."""
        return [replace(stacked, labels=algebra.select(stacked.labels, 0))] * length

    def stack(self, values: Sequence[Meaning], over: Sequence[Meaning]) -> Meaning:
        """As `_stacked`."""
        return replace(values[-1], labels=_stacked(values[-1].labels, len(values), over, self.origins))

    def saw(self, number: int, equation: Any, operands: Sequence[Meaning], outputs: list[Meaning], call: int | None) -> None:
        """Notes layers and kernels."""
        kernel = kernel_layout(equation, [one.labels for one in operands], _weight(operands), self.parameter_axes)
        if kernel is not None:
            self.kernels.setdefault(*kernel)
            if self.first_product is None and len(operands) == 2:
                self.first_product = (number, int(not _weight(operands)), kernel[0])
        if equation.primitive.name == "gather":
            self.tables |= operands[0].parameters
        if call is not None:
            self.used.setdefault(call, set()).update(*(one.parameters for one in operands))
        marked = marked_call(equation.params["name"]) if equation.primitive.name == "name" else None
        if marked is not None and marked[0] in self.units:
            self._mark(number, *marked, outputs)
        elif call is not None and call not in self.containers:
            return
        elif kernel is not None:
            kind = "conv" if equation.primitive.name == "conv_general_dilated" else "dense"
            name = self._owner(kernel[0], "" if call is None else self.containers[call], kind)
            self._note(Site(number, self._fresh(name), None, kind, outputs[0], outputs[0].sources, (kernel[0],)), outputs)
        elif not self._is_bias(number, equation, operands, outputs):
            self._note_function(number, equation, outputs, "" if call is None else self.containers[call])

    def _mark(self, number: int, call: int, is_output: bool, outputs: list[Meaning]) -> None:
        """Notes the output of a module; a parameter that it hands out as it is is no output of a layer."""
        if self._is_parameter(outputs[0]):
            return
        if is_output:
            self._note(Site(number, self._fresh(self.units[call]), call, None, outputs[0], outputs[0].sources), outputs)
            self._outputs[call] = outputs[0].sources
        elif outputs[0].sources:
            outputs[0] = replace(outputs[0], sources=self._outputs.get(call, outputs[0].sources))

    def _is_parameter(self, meaning: Meaning) -> bool:
        factors = [factor for axis in meaning.labels.axes for factor in axis]
        return bool(meaning.parameters) and all(factor.origin in self.parameter_axes for factor in factors)

    def _note(self, site: Site, outputs: list[Meaning]) -> None:
        self.sites.append(site)
        outputs[0] = Meaning(outputs[0].labels, (site.name,))

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
        adds = any(one.parameters for one in operands) and any(one.sources == (last.name,) for one in operands)
        if adds:
            added = tuple(name for one in operands for name in one.parameters)
            meaning = Meaning(outputs[0].labels, last.meaning.sources)
            self.sites[-1] = replace(last, number=number, meaning=meaning, parameters=(*last.parameters, *added))
        return adds

    def _note_function(self, number: int, equation: Any, outputs: list[Meaning], container: str) -> None:
        function = activation_called(equation)
        part = activation_around(equation) if function is None else None
        name = function or part or ("tanh" if equation.primitive.name == "tanh" else None)
        if name is None or not outputs or not outputs[0].sources:
            return
        if part is not None and self._in_parts == (number - 1, part):
            last = self.sites.pop()
            self._note(replace(last, number=number, meaning=outputs[0]), outputs)
        else:
            layer = self._fresh(f"{container}:{name}" if container else name)
            self._note(Site(number, layer, None, name, outputs[0], outputs[0].sources), outputs)
        self._in_parts = (number, part) if part is not None else (-1, "")


def _weight(operands: Sequence[Meaning]) -> int | None:
    """Which of an equation's operands is made of parameters alone, where another one comes from the input."""
    made = [index for index, one in enumerate(operands) if one.parameters]
    return made[0] if len(made) == 1 and any(one.sources for one in operands) else None


def _stacked(labels: Labels, length: int, over: Sequence[Meaning], origins: Origins) -> Labels:
    """The axis that a loop puts in front is that of the data that it goes over, where that is one."""
    firsts = dict.fromkeys(one.labels.axes[0] for one in over if one.sources and one.labels.axes)
    front: Axis = next(iter(firsts)) if len(firsts) == 1 else (origins.new(length),)
    return Labels((front, *labels.axes), labels.channel)


def _of_bodies(equation: Any, operands: Sequence[Meaning], origins: Origins) -> list[Labels] | None:
    """Labels of what an equation puts out that runs other jaxprs, and was not looked into; None of any other."""
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _of_loop(params, operands, origins)
    if name == "while":
        fixed = operands[params["cond_nconsts"] :]
        return _of_body(params["body_jaxpr"], fixed, len(fixed) - params["body_nconsts"], origins)
    if name == "cond":
        branches = [[one.labels for one in _run(branch, operands[1:], origins)] for branch in params["branches"]]
        unsure = [algebra.unknown(labels.shape, origins) for labels in branches[0]]
        return [one[0] if all(other == one[0] for other in one) else new for *one, new in zip(*branches, unsure, strict=True)]
    body = body_of(equation)
    if body is None or len(body[0].invars) != len(operands):
        return None
    inner = Meanings({}, {}, origins)
    return [one.labels for one in Walk(inner).run(body[0], [inner.literal(value) for value in body[1]], operands)]


def _of_body(body: Any, operands: Sequence[Meaning], carried: int, origins: Origins) -> list[Labels]:
    """Labels of what is carried by a loop after its second repetition, when it is settled."""
    fixed, state = list(operands[: len(operands) - carried]), list(operands[len(operands) - carried :])
    for _ in range(2):
        state = _run(body, [*fixed, *state], origins)
    return [one.labels for one in state]


def _of_loop(params: Any, operands: Sequence[Meaning], origins: Origins) -> list[Labels]:
    """Labels of what a `scan` puts out, after its second repetition."""
    fixed, carried = list(operands[: params["num_consts"]]), list(operands[params["num_consts"] :][: params["num_carry"]])
    over = operands[params["num_consts"] + params["num_carry"] :]
    slices = [replace(one, labels=algebra.select(one.labels, 0)) for one in over]
    outputs: list[Meaning] = []
    for _ in range(2):
        outputs = _run(params["jaxpr"], [*fixed, *carried, *slices], origins)
        carried = outputs[: params["num_carry"]]
    rows = outputs[params["num_carry"] :]
    return [*(one.labels for one in carried), *(_stacked(one.labels, params["length"], over, origins) for one in rows)]


def _run(body: Any, operands: Sequence[Meaning], origins: Origins) -> list[Meaning]:
    inner = Meanings({}, {}, origins)
    return Walk(inner).run(body.jaxpr, [inner.literal(value) for value in body.consts], operands)
