"""One pass through a model, traced: its layers in order, what their axes mean, and a compiled function that gives their outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from tb_featuremap_plugin.arrays.layouts import UNKNOWN_LAYOUT
from tb_featuremap_plugin.integrations.common.arrangement import Arrangement, arrangement
from tb_featuremap_plugin.integrations.common.axis_labels import Origins
from tb_featuremap_plugin.integrations.jax.graph import Arrays, Walk
from tb_featuremap_plugin.integrations.jax.layer_info import describe
from tb_featuremap_plugin.integrations.jax.models import Model, Parts
from tb_featuremap_plugin.integrations.jax.module_calls import Calls, name_by_parameters
from tb_featuremap_plugin.integrations.jax.operations import input_labels
from tb_featuremap_plugin.integrations.jax.sites import Meaning, Meanings, Site
from tb_featuremap_plugin.schema.layer_kinds import ATTENTION, RECURRENT, family_of
from tb_featuremap_plugin.schema.network import Layer


@dataclass(frozen=True)
class Traced:
    """What a pass showed.

    Attributes:
        layers: in order of their calls.
        sites: the values that can be logged, by layer.
        kernels: layouts of parameters that data is multiplied with.
        outputs_of: the outputs of layers, in order of their layouts, by their names.
        arrangements: how they are put into that order; None where it is not known.
        variable_axes: how many each variable has.
        tables: names of parameters whose rows are looked up.
        described: the layers with what the first kernel receives, for the arrays of a model.
    """

    layers: tuple[Layer, ...]
    sites: Mapping[str, Site]
    kernels: Mapping[str, str]
    outputs_of: Callable[[tuple[str, ...]], Callable[[Any], dict[str, Any]]]
    arrangements: Mapping[str, Arrangement | None]
    variable_axes: Mapping[str, int]
    tables: frozenset[str]
    described: Callable[[Any], tuple[Layer, ...]]

    def layouts(self) -> dict[str, str]:
        """Layouts of the layers' outputs, as `outputs_of` gives them, and of variables: what multiplies no data is no kernel."""
        found = {name: UNKNOWN_LAYOUT if one is None else one.layout for name, one in self.arrangements.items()}
        several = {name: self.kernels.get(name, "") for name, axes in self.variable_axes.items() if axes > 1 and name not in self.tables}
        fits = {name: len(layout) == self.variable_axes[name] and {"I", "O"} <= set(layout) for name, layout in several.items()}
        return {**{name: layout if fits[name] else UNKNOWN_LAYOUT for name, layout in several.items()}, **found}


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
    meanings, outputs = _followed(closed, calls, parts, probe, model.data_format)
    if any(call.name is None for call in calls.all):
        name_by_parameters(calls, meanings.used)
        meanings, outputs = _followed(closed, calls, parts, probe, model.data_format)
    sites = {site.name: site for site in meanings.sites}
    arrangements = {name: arrangement(site.meaning.labels, meanings.origins) for name, site in sites.items()}
    layers = describe(meanings.sites, calls, [one.sources for one in outputs], parts, set(meanings.kernels))

    def outputs_of(wanted: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
        compute = jax.jit(lambda arrays, given: _computed(closed, sites, {name: arrangements[name] for name in wanted}, (arrays, given)))
        return lambda arrays: compute(arrays, probe.arrays)

    def described(arrays: Any) -> tuple[Layer, ...]:
        return _with_received(layers, closed, meanings.first_product, (arrays, probe.arrays))

    variable_axes = {name: array.ndim for name, array in parts.variables().items()}
    return Traced(layers, sites, meanings.kernels, outputs_of, arrangements, variable_axes, frozenset(meanings.tables), described)


def _followed(closed: Any, calls: Calls, parts: Parts, probe: Probe, data_format: str) -> tuple[Meanings, list[Meaning]]:
    """What is known of the sites and the outputs of a pass."""
    units = _units(calls)
    inside = {number for number, _ in enumerate(calls.all) if any(above in units for above in _above(calls, number))}
    containers = {number: call.name or "" for number, call in enumerate(calls.all) if number not in units and number not in inside}
    meanings = Meanings(units, containers)
    arguments = [*_of_parameters(parts, meanings), *_of_inputs(probe.arrays, data_format, len(probe.arrays[0]), meanings.origins)]
    constants = [meanings.literal(value) for value in closed.consts]
    return meanings, Walk(meanings).run(closed.jaxpr, constants, arguments)


def _computed(closed: Any, sites: Mapping[str, Site], wanted: Mapping[str, Arrangement | None], given: Any) -> dict[str, Any]:
    kept = Arrays({sites[name].number: name for name in wanted})
    Walk(kept).run(closed.jaxpr, closed.consts, jax.tree.leaves(given))
    return {name: _arranged(kept.kept[name], how) for name, how in wanted.items()}


def _with_received(layers: tuple[Layer, ...], closed: Any, product: tuple[int, int, str] | None, given: Any) -> tuple[Layer, ...]:
    """The layers, of which that with the first kernel says what it gets; as they are where that is no finite floating-point data."""
    if product is None:
        return layers
    number, operand, kernel = product

    def span(arrays: Any) -> tuple[Any, Any]:
        kept = Arrays({number: ""}, operand=operand)
        Walk(kept).run(closed.jaxpr, closed.consts, jax.tree.leaves(arrays))
        return kept.kept[""].min(), kept.kept[""].max()

    low, high = jax.jit(span)(given)
    if not jnp.issubdtype(low.dtype, jnp.floating) or not jnp.isfinite(low) or not jnp.isfinite(high):
        return layers
    return tuple(replace(layer, receives=(float(low), float(high))) if kernel in layer.weights else layer for layer in layers)


def _arranged(value: Any, how: Arrangement | None) -> Any:
    """In the order of the layout where that is known, else as it is."""
    return value if how is None or not how.order else value.reshape(how.split).transpose(how.order).reshape(how.joined)


def _units(calls: Calls) -> dict[int, str]:
    """The calls that do the work: those without parts, and attention and recurrent layers, which are looked at as a whole."""
    units: dict[int, str] = {}
    for number, call in enumerate(calls.all):
        if any(above in units for above in _above(calls, number)):
            continue
        if not call.has_parts or family_of(call.module.kind) in (ATTENTION, RECURRENT):
            units[number] = call.name or call.module.class_name.lower()
    return units


def _above(calls: Calls, number: int) -> list[int]:
    found, parent = [], calls.all[number].parent
    while parent is not None:
        found.append(parent)
        parent = calls.all[parent].parent
    return found


def _of_parameters(parts: Parts, meanings: Meanings) -> list[Meaning]:
    named = enumerate(zip(parts.names, jax.tree.leaves(parts.arrays), strict=True))
    return [meanings.parameter(name or f"array {index}", leaf.shape) for index, (name, leaf) in named]


def _of_inputs(arrays: Sequence[Any], data_format: str, samples: int, origins: Origins) -> list[Meaning]:
    whole = [bool(jnp.issubdtype(array.dtype, jnp.integer)) for array in arrays]
    labels = [input_labels(array.shape, data_format, samples, origins, whole_numbers=one) for array, one in zip(arrays, whole, strict=True)]
    return [Meaning(one, ("",)) for one in labels]
