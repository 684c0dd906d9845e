"""One pass through a model, traced: its layers in order, what their axes mean, and a compiled function that gives their outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from tb_featuremap_plugin.arrays.layouts import UNKNOWN_LAYOUT
from tb_featuremap_plugin.integrations.jax.axes import Axes, axes_of, canonical, parameter_axis
from tb_featuremap_plugin.integrations.jax.graph import Arrays, Walk
from tb_featuremap_plugin.integrations.jax.layer_info import describe, kind_of
from tb_featuremap_plugin.integrations.jax.models import Model, Parts
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.integrations.jax.operations import input_axes
from tb_featuremap_plugin.integrations.jax.sites import Meaning, Meanings, Site
from tb_featuremap_plugin.schema.layer_kinds import ATTENTION, RECURRENT, family_of
from tb_featuremap_plugin.schema.network import Layer

_LAYOUTS = {2: "NC", 3: "NCW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True)
class Traced:
    """What a pass showed.

    Attributes:
        layers: in order of their calls.
        sites: the values that can be logged, by layer.
        kernels: layouts of parameters that data is multiplied with.
        outputs_of: the outputs of layers, as [samples, channels, *space], by their names.
    """

    layers: tuple[Layer, ...]
    sites: Mapping[str, Site]
    kernels: Mapping[str, str]
    outputs_of: Callable[[tuple[str, ...]], Callable[[Any], dict[str, Any]]]
    samples: int
    variable_axes: Mapping[str, int]

    def layouts(self) -> dict[str, str]:
        """Layouts of the layers' outputs, as `outputs_of` gives them, and of kernels."""
        found = {}
        for name, site in self.sites.items():
            arranged = canonical(site.meaning.axes, self.samples)
            found[name] = UNKNOWN_LAYOUT if arranged is None else _LAYOUTS[len(arranged.shape)]
        shaped = {
            name: layout for name, layout in self.kernels.items() if len(layout) == self.variable_axes.get(name) and _is_plain(layout)
        }
        return {**shaped, **found}


@dataclass(frozen=True)
class Probe:
    """The arrays of a probe, and how to put them back beside what else a call takes: flags, None, strings."""

    arrays: list[Any]
    leaves: list[Any]
    tree: Any

    @staticmethod
    def of(inputs: Any) -> Probe:
        """Takes a probe apart.

        Raises:
            ValueError: it holds no array with an axis of samples.
        """
        leaves, tree = jax.tree.flatten(inputs)
        arrays = [jnp.asarray(leaf) for leaf in leaves if getattr(leaf, "ndim", 0) > 0]
        if not arrays:
            raise ValueError(f"probe is {inputs!r:.100}; allowed are an array of samples, and lists and dictionaries that hold one")
        return Probe(arrays, leaves, tree)

    def filled(self, arrays: list[Any]) -> Any:
        """The probe with these arrays."""
        given = iter(arrays)
        return jax.tree.unflatten(self.tree, [next(given) if getattr(leaf, "ndim", 0) > 0 else leaf for leaf in self.leaves])


def trace(model: Model, parts: Parts, inputs: Any) -> Traced:
    """Traces one pass of a model for a probe.

    Args:
        model: of any library.
        parts: its arrays.
        inputs: the probe.
    """
    calls, probe = Calls(), Probe.of(inputs)
    closed = jax.make_jaxpr(lambda arrays, given: model.run(arrays, parts.structure, probe.filled(given), calls))(
        parts.arrays, probe.arrays
    )
    units = _units(calls)
    inside = {number for number, _ in enumerate(calls.all) if any(above in units for above in _above(calls, number))}
    containers = {number: call.name for number, call in enumerate(calls.all) if number not in units and number not in inside}
    meanings = Meanings(units, containers)
    samples = len(probe.arrays[0])
    arguments = [*_of_parameters(parts), *_of_inputs(probe.arrays, model.data_format, samples)]
    constants = [meanings.literal(value) for value in closed.consts]
    outputs = Walk(meanings).run(closed.jaxpr, constants, arguments)
    sites = {site.name: site for site in meanings.sites}
    layers = describe(meanings.sites, calls, [one.sources for one in outputs], parts, set(meanings.kernels))

    def outputs_of(wanted: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
        compute = jax.jit(lambda arrays, given: _computed(closed, sites, wanted, samples, (arrays, given)))
        return lambda arrays: compute(arrays, probe.arrays)

    variable_axes = {name: array.ndim for name, array in parts.variables().items()}
    return Traced(layers, sites, meanings.kernels, outputs_of, samples, variable_axes)


def _is_plain(layout: str) -> bool:
    """Whether every axis has a letter of its own; the kernels of attention, such as "IOO", have not."""
    return len(set(layout)) == len(layout) and {"I", "O"} <= set(layout)


def _computed(closed: Any, sites: Mapping[str, Site], wanted: tuple[str, ...], samples: int, given: Any) -> dict[str, Any]:
    kept = Arrays({sites[name].number: name for name in wanted})
    Walk(kept).run(closed.jaxpr, closed.consts, jax.tree.leaves(given))
    return {name: _arranged(kept.kept[name], sites[name].meaning.axes, samples) for name in wanted}


def _arranged(value: Any, axes: Axes, samples: int) -> Any:
    """As [samples, channels, *space] where that is known, else as it is."""
    how = canonical(axes, samples)
    return value if how is None else value.reshape(how.factors).transpose(how.order).reshape(how.shape)


def _units(calls: Calls) -> dict[int, str]:
    """The calls that do the work: those without parts, and attention and recurrent layers, which are looked at as a whole."""
    units: dict[int, str] = {}
    for number, call in enumerate(calls.all):
        if any(above in units for above in _above(calls, number)):
            continue
        if not call.has_parts or family_of(kind_of(call.module)) in (ATTENTION, RECURRENT):
            units[number] = call.name or type(call.module).__name__.lower()
    return units


def _above(calls: Calls, number: int) -> list[int]:
    found, parent = [], calls.all[number].parent
    while parent is not None:
        found.append(parent)
        parent = calls.all[parent].parent
    return found


def _of_parameters(parts: Parts) -> list[Meaning]:
    found = []
    for index, (name, leaf) in enumerate(zip(parts.names, jax.tree.leaves(parts.arrays), strict=True)):
        labels = [parameter_axis(name or f"array {index}", axis) for axis in range(leaf.ndim)]
        found.append(Meaning(axes_of(labels, leaf.shape)))
    return found


def _of_inputs(arrays: Sequence[Any], data_format: str, samples: int) -> list[Meaning]:
    whole = [jnp.issubdtype(array.dtype, jnp.integer) for array in arrays]
    axes = [input_axes(array.shape, data_format, samples, whole_numbers=one) for array, one in zip(arrays, whole, strict=True)]
    return [Meaning(one, ("",)) for one in axes]
