"""A pass of the probe that leaves no trace: what it changes is put back, and what cannot be is named."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras

from tb_featuremap_plugin.integrations.common.progress import progress
from tb_featuremap_plugin.integrations.common.python_state import PythonState
from tb_featuremap_plugin.integrations.common.random_state import random_numbers_as_before
from tb_featuremap_plugin.integrations.keras.tensor_state import TensorState


class Guard:
    """Surrounds passes through a model whose Python code runs.

    Keras' own variables are protected by a `StatelessScope`. This is for everything else: attributes, lists, dictionaries and arrays of
    layers, what their functions reach in closures and globals, plain variables and tensors of the framework, names and random numbers.

    Args:
        model: whose code runs.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._passes = 0
        self._told: set[str] = set()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Until the end of the block."""
        self._passes += 1
        with ExitStack() as stack:
            stack.enter_context(random_numbers_as_before())
            stack.enter_context(_names_kept())
            tensors = TensorState(self._model, everything=self._passes == 1)
            layers = [self._model, *self._model._flatten_layers(include_self=False)]
            state = PythonState(layers, lambda thing: _claim(thing, tensors))
            places = [(thing, progress(thing)) for thing in state.unguarded]
            stack.callback(tensors.put_back)
            stack.callback(state.put_back)
            stack.callback(lambda: self._tell([thing for thing, place in places if progress(thing) != place]))
            stack.enter_context(inference(self._model))
            yield

    def _tell(self, moved: list[Any]) -> None:
        for thing in moved:
            owner = self._owner(thing)
            if owner not in self._told:
                self._told.add(owner)
                warn_of_effect(owner, f"changes a {type(thing).__name__}")

    def layer_in(self, path: str) -> str:
        """The innermost layer that an operation of a graph is in, by the operation's path."""
        known = [str(layer.name) for layer in self._model._flatten_layers()]
        for part in reversed(path.split("/")):
            for name in (part, part.rpartition("_")[0]):
                if name in known:
                    return name
        return path

    def _owner(self, thing: Any) -> str:
        """The layer that holds a thing, or else the model."""
        for layer in self._model._flatten_layers(include_self=False):
            if any(value is thing for value in vars(layer).values()):
                return str(layer.name)
        return str(self._model.name)


def _claim(thing: Any, tensors: TensorState) -> Iterable[Any] | None:
    """What to follow of Keras' objects and of tensors; None for those of others."""
    if isinstance(thing, (keras.Variable, keras.KerasTensor, keras.optimizers.Optimizer, keras.callbacks.Callback)):
        return ()
    if tensors.take(thing):
        return ()
    if isinstance(thing, (list, dict, set)):  # Keras' own kinds of them too
        return None
    if isinstance(thing, keras.layers.Layer) or type(thing).__module__.startswith(("keras.", "torch.nn.")):
        attributes = getattr(thing, "__dict__", None)
        return () if attributes is None else (attributes,)
    return None


@contextmanager
def _names_kept() -> Iterator[None]:
    """Keras' counters of names, and its list of variables that wait for their first values."""
    tracker = getattr(sys.modules.get("keras.src.backend.common.global_state"), "GLOBAL_STATE_TRACKER", None)
    known: dict[str, Any] = dict(vars(tracker)) if tracker is not None else {}
    copies = {name: copy.copy(value) for name, value in known.items() if isinstance(value, (dict, list))}
    try:
        yield
    finally:
        for name, value in copies.items():
            held = known[name]
            held.clear()
            (held.update if isinstance(held, dict) else held.extend)(value)


def warn_of_effect(layer: str, effect: str) -> None:
    """Says that a pass of the probe changes what training will see.

    Args:
        layer: whose code it is.
        effect: what it does.
    """
    warnings.warn(
        f"feature maps: the call of {layer!r} {effect}, which cannot be put back after a pass of the probe: training may go on "
        "differently than without logging. Do that in train_step, or only if training is True",
        RuntimeWarning,
        stacklevel=2,
    )


@contextmanager
def inference(model: Any) -> Iterator[None]:
    """On torch: evaluation mode without gradients, for torch's own modules inside Keras' layers."""
    if keras.backend.backend() != "torch":
        yield
        return
    from tb_featuremap_plugin.integrations.torch.probe_pass import undisturbed

    with undisturbed(model):
        yield
