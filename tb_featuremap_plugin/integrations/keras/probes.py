"""What the probe passes through: the model, or, of a model that has no call of its own, its inner networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.leaf_layers import attributes_of
from tb_featuremap_plugin.monitor.probe_size import bounded_probe


@dataclass(frozen=True)
class Probe:
    """What the user gave.

    Attributes:
        inputs: an array, or a list or dictionary of arrays; or, by names of inner networks, such inputs.
        targets: None if the probe has no targets.
    """

    inputs: Any
    targets: Any = None


@dataclass(frozen=True)
class Part:
    """A network that the probe passes through.

    Attributes:
        name: of an inner network; "" for the model itself.
        network: a model or a layer.
        inputs: tensors.
    """

    name: str
    network: Any
    inputs: Any


class ProbeError(ValueError):
    """A probe does not fit the model."""


def probe_of(given: Any) -> Probe:
    """A probe from what the user gave: inputs, or a 2-tuple (inputs, targets); a large one is cut.

    Raises:
        TypeError: it is a data set or another thing that is no batch.
    """
    inputs, targets = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    _check(inputs)
    return Probe(*bounded_probe(inputs, targets, stacklevel=5))


def parts_of(model: Any, inputs: Any) -> list[Part]:
    """The networks that the probe passes through.

    Args:
        model: any.
        inputs: the probe's.

    Returns:
        The model itself, if it has a `call` of its own. Else the inner networks that `inputs` names, or if it names none, those that
        take such inputs.

    Raises:
        ProbeError: the model has no `call` of its own, and no inner network takes the inputs.
    """
    if has_call(model):
        return [Part("", model, as_tensors(inputs))]
    inner = inner_networks(model)
    if isinstance(inputs, Mapping) and inputs and all(name in inner for name in inputs):
        return [Part(str(name), inner[name], as_tensors(value)) for name, value in inputs.items()]
    attributes = {id(network): name for name, network in reversed(inner.items())}
    fitting = [Part(attributes[id(network)], network, as_tensors(inputs)) for network in unique(inner.values()) if _takes(network, inputs)]
    if not fitting:
        example = ", ".join(f"{name!r}: ..." for name in list(inner)[:2]) or "..."
        raise ProbeError(
            f"{type(model).__name__} has no call of its own, so that the probe has nothing to pass through: its weights and losses are "
            f"logged, its feature maps are not. For maps of its inner networks, give a probe for each: {{{example}}}"
        )
    return fitting


def has_call(model: Any) -> bool:
    """Whether a model can be called, and is not only a `train_step` around others."""
    return type(model).call not in (keras.Model.call, keras.layers.Layer.call)


def inner_networks(model: Any) -> dict[str, Any]:
    """The layers and models that a model holds as attributes, by the names of those, and by their own where these differ."""
    held = {name: value for name, value in attributes_of(model).items() if isinstance(value, keras.layers.Layer)}
    return {**held, **{layer.name: layer for layer in held.values() if layer.name not in held}}


def unique(things: Iterable[Any]) -> list[Any]:
    """Each thing once, by identity."""
    return list({id(thing): thing for thing in things}.values())


def as_tensors(batch: Any) -> Any:
    """A batch, or a list or dictionary of arrays, as the backend's tensors; what cannot be one stays as it is."""
    return keras.tree.map_structure(_as_tensor, batch)


def _as_tensor(value: Any) -> Any:
    try:
        return keras.ops.convert_to_tensor(value)
    except Exception:  # each backend refuses texts, sparse and ragged arrays in its own way; the model may take them
        return value


def _takes(network: Any, inputs: Any) -> bool:
    """Whether a built functional network has inputs of these shapes; not known of others."""
    wanted = getattr(network, "input_shape", None) if getattr(network, "built", False) and hasattr(network, "inputs") else None
    shape = getattr(inputs, "shape", None)
    if not isinstance(wanted, tuple) or shape is None or len(wanted) != len(shape):
        return False
    return all(known is None or known == size for known, size in zip(wanted, shape, strict=True))


def _check(inputs: Any) -> None:
    is_batch = hasattr(inputs, "shape") or isinstance(inputs, (Mapping, list, tuple))
    if not is_batch:
        raise TypeError(
            f"probe is a {type(inputs).__name__}; allowed are an array, a list or dictionary of arrays for several inputs, and a 2-tuple "
            "(inputs, targets). Of a data set, take one batch: probe=next(iter(dataset))"
        )
