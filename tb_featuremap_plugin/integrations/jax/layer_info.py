"""What is known of the layers of a JAX model, as `fm.Layer`s in the order of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tb_featuremap_plugin.integrations.jax.models import Parts
from tb_featuremap_plugin.integrations.jax.module_calls import Calls
from tb_featuremap_plugin.integrations.jax.sites import Site
from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, ATTENTION, CONVOLUTIONS, DENSE, NORMALISATION, family_of
from tb_featuremap_plugin.schema.network import Layer


def is_worth_a_picture(kind: str | None) -> bool:
    """Whether an output is logged by default: of convolutions, dense layers, attention, normalisations and activations."""
    family = family_of(kind)
    return family in CONVOLUTIONS or family in (DENSE, ATTENTION, NORMALISATION, ACTIVATION)


def site_kind(site: Site, calls: Calls) -> str:
    """The kind of the layer at a site."""
    return site.kind or (calls.all[site.call].module.kind if site.call is not None else "")


def describe(
    sites: Sequence[Site], calls: Calls, outputs: Sequence[tuple[str, ...]], parts: Parts, multiplied: set[str]
) -> tuple[Layer, ...]:
    """The layers of a pass in order, then what has variables and was not called.

    Args:
        sites: of the pass.
        calls: of its modules.
        outputs: for each output of the model the layers that it came from.
        parts: of the model.
        multiplied: names of the parameters that data is multiplied with.
    """
    left = dict.fromkeys(name for name in parts.names if name is not None)
    last = {name for names in outputs for name in names}
    layers = []
    for site in sites:
        owner = site.name.partition(":")[0] if site.kind in (None, "conv", "dense") else None
        holders = [] if owner is None else [owner, *_inside(site.call, calls)]
        own = [name for name in left if name in site.parameters or any(name == one or name.startswith(f"{one}/") for one in holders)]
        for name in own:
            del left[name]
        layers.append(_layer(site, calls, own, parts, "output" if site.name in last else "hidden"))
    return (*layers, *_rest(left, parts))


def _inside(number: int | None, calls: Calls) -> list[str]:
    """Names of the modules that a module calls, such as the cell of a recurrent layer, which may be held by another one."""
    found = [] if number is None else [number]
    for other, call in enumerate(calls.all):
        if call.parent in found:
            found.append(other)
    return list(dict.fromkeys(name for name in (calls.all[other].name for other in found[1:]) if name is not None))


def _layer(site: Site, calls: Calls, variables: Iterable[str], parts: Parts, role: str) -> Layer:
    module = calls.all[site.call].module if site.call is not None else None
    kind, variables = site_kind(site, calls), tuple(variables)
    known = activations.find(kind) if family_of(kind) == ACTIVATION else None
    family = family_of(kind)
    return Layer(
        site.name,
        kind=kind or None,
        activation=known.name if known is not None else "linear" if family in CONVOLUTIONS or family == DENSE else None,
        weights=tuple(name for name in variables if name not in parts.state),
        state=tuple(name for name in variables if name in parts.state),
        role=role,
        inputs=tuple(name for name in site.inputs if name),
        kernel_size=module.kernel_size if module is not None else None,
        strides=module.strides if module is not None else None,
        groups=module.groups if module is not None else None,
    )


def _rest(left: Iterable[str], parts: Parts) -> list[Layer]:
    """Variables of no called layer, by the name of what holds them."""
    holders: dict[str, list[str]] = {}
    for name in left:
        holders.setdefault(name.rpartition("/")[0] or name, []).append(name)
    return [
        Layer(
            f"{holder} (parameters)",
            weights=tuple(name for name in names if name not in parts.state),
            state=tuple(name for name in names if name in parts.state),
        )
        for holder, names in holders.items()
    ]
