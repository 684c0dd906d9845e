"""Which parameter an equation multiplies data with, and what each axis of it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Labels, size_of

ParameterAxes = Mapping[int, tuple[str, int]]
"""By the origin of a parameter's axis: the name of the parameter, and the number of the axis."""


def kernel_layout(equation: Any, operands: Sequence[Labels], weight: int | None, axes: ParameterAxes) -> tuple[str, str] | None:
    """The parameter that an equation multiplies data with, and the layout of it, such as "HWIO"; None where it multiplies no parameter.

    Args:
        equation: of a jaxpr.
        operands: labels of its inputs.
        weight: which of its inputs is made of parameters alone; None if none is.
        axes: of the parameters.
    """
    roles = _roles(equation, operands, weight)
    letters: dict[int, str] = {}
    names: set[str] = set()
    for axis, letter in roles:
        for factor in axis:
            if size_of(axis) == 1:
                continue
            if factor.origin not in axes or not factor.is_whole:
                return None
            name, index = axes[factor.origin]
            names.add(name)
            letters[index] = letter
    if len(names) != 1:
        return None
    short = [letter for axis, letter in roles if size_of(axis) == 1]
    missing = [index for index in range(len(letters) + len(short)) if index not in letters]
    letters.update(zip(missing, short, strict=False))  # axes of one entry may have been left out: they keep their order
    return names.pop(), "".join(letter for _, letter in sorted(letters.items()))


def _roles(equation: Any, operands: Sequence[Labels], weight: int | None) -> list[tuple[Axis, str]]:
    """The axes of what could be a kernel, each with what it is: O, I, or one of space."""
    if weight is None:
        return []
    if equation.primitive.name == "conv_general_dilated" and weight == 1:
        outputs, inputs, *places = equation.params["dimension_numbers"].rhs_spec
        letters = ("O", "I", *("DHW"[-len(places) :] if places else ""))
        roles = sorted(zip((outputs, inputs, *places), letters, strict=True))
        return [(operands[1].axes[index], letter) for index, letter in roles]
    if equation.primitive.name == "dot_general":
        summed, _ = equation.params["dimension_numbers"]
        return [(axis, "I" if index in summed[weight] else "O") for index, axis in enumerate(operands[weight].axes)]
    return []
