"""Which layers all of the signal has to pass: those that lie on every way from the inputs to an output."""

from __future__ import annotations

from collections.abc import Sequence

from tb_featuremap_plugin.schema.network import Layer


def path_of(layers: Sequence[Layer]) -> frozenset[str]:
    """Names of the layers that dominate an output.

    Where any layer says what it gets its input from, one that does not say so gets the model's inputs; else they stand in a row. An output
    is what has that role; without such roles, the last layer is.

    Args:
        layers: in order of depth.
    """
    if not layers:
        return frozenset()
    connected = any(layer.inputs for layer in layers)
    passed: dict[str, frozenset[str]] = {}
    before: tuple[str, ...] = ()
    for layer in layers:
        known = [passed[name] for name in (layer.inputs if connected else before) if name in passed]
        common = frozenset.intersection(*known) if known and len(known) >= len(layer.inputs if connected else before) else frozenset()
        passed[layer.name] = common | {layer.name}
        before = (layer.name,)
    outputs = [layer.name for layer in layers if layer.role == "output"] or [layers[-1].name]
    return frozenset.union(*(passed[name] for name in outputs))
