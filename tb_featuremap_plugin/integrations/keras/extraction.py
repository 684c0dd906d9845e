"""Runs the probe through a model and returns what chosen layers put out: compiled once, reused at every logged step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from tb_featuremap_plugin.integrations.keras.call_trace import Trace, watching
from tb_featuremap_plugin.integrations.keras.leaf_layers import named_layers, operations

Values = Sequence[tuple[Any, Any]]
"""Variables and what they are worth in a pass."""


def as_tensors(batch: Any) -> Any:
    """A batch, or a list or dictionary of arrays, as the backend's tensors."""
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch)


def build(model: Any, probe: Any) -> None:
    """Makes the variables of a model that has none yet, as its first training step would."""
    layers = [model, *model._flatten_layers(include_self=False)]
    if not all(layer.built for layer in layers):
        model(probe, training=False)


def first_pass(model: Any, probe: Any) -> Trace:
    """One pass, not compiled, that shows how the layers are connected.

    Args:
        model: built.
        probe: tensors.
    """
    with inference(model), _functions_eager():
        return _watched_pass(model, named_layers(model), operations(model), probe, ())


class Extractor:
    """Feature maps of a Keras model on any backend, whatever the model is made of.

    The pass is in inference mode and in a stateless scope: it changes no variable, no metric and no seed.

    Args:
        model: built.
        probe: tensors.
        names: of the calls whose outputs are wanted.
    """

    def __init__(self, model: Any, probe: Any, names: Sequence[str]) -> None:
        self._model = model
        self._probe = probe
        self._names = tuple(names)
        self._layers, self._operations = named_layers(model), operations(model)
        self._run = _COMPILERS.get(keras.backend.backend(), _not_compiled)(self)

    def __call__(self) -> dict[str, Any]:
        """The chosen outputs by name, as the backend's tensors; of several outputs of one layer the first."""
        with inference(self._model):
            return dict(zip(self._names, self._run(), strict=True))

    def outputs(self, probe: Any, values: Values = ()) -> list[Any]:
        """The chosen outputs of one pass."""
        trace = _watched_pass(self._model, self._layers, self._operations, probe, values)
        by_name = {call.name: call.output for call in trace.calls}
        return [keras.tree.flatten(by_name[name])[0] for name in self._names]

    @property
    def model(self) -> Any:
        """The model whose layers are watched."""
        return self._model

    @property
    def probe(self) -> Any:
        """The tensors that go in."""
        return self._probe


@contextmanager
def inference(model: Any) -> Iterator[None]:
    """Puts torch's own modes and random numbers back at the end; Keras' layers have neither."""
    if keras.backend.backend() != "torch":
        yield
        return
    from tb_featuremap_plugin.integrations.torch.probe_pass import undisturbed

    with undisturbed(model):
        yield


def _watched_pass(model: Any, layers: dict[str, Any], others: list[Any], probe: Any, values: Values) -> Trace:
    with keras.StatelessScope(state_mapping=list(values)), watching(layers, others) as trace:
        trace.finish(model(probe, training=False))
    return trace


def _not_compiled(extractor: Extractor) -> Callable[[], list[Any]]:
    return lambda: extractor.outputs(extractor.probe)


def _compiled_by_tensorflow(extractor: Extractor) -> Callable[[], list[Any]]:
    """A graph; eagerly where layers are functions of their own: a graph does not see into them, and must not trace them."""
    layers = [extractor.model, *extractor.model._flatten_layers(include_self=False)]
    if any(hasattr(layer.call, "get_concrete_function") for layer in layers):
        return lambda: _eagerly(extractor)
    tf = importlib.import_module("tensorflow")
    try:  # of one signature, whose look-up would take a third of a small network's pass
        compiled = tf.function(lambda: extractor.outputs(extractor.probe), autograph=False).get_concrete_function()
    except (KeyError, TypeError, ValueError, tf.errors.OpError):
        return lambda: _eagerly(extractor)
    return lambda: list(compiled())


def _eagerly(extractor: Extractor) -> list[Any]:
    with _functions_eager():
        return extractor.outputs(extractor.probe)


def _compiled_by_jax(extractor: Extractor) -> Callable[[], list[Any]]:
    jax = importlib.import_module("jax")
    variables = extractor.model.variables

    def outputs(values: list[Any], probe: Any) -> list[Any]:
        return extractor.outputs(probe, list(zip(variables, values, strict=True)))

    compiled = jax.jit(outputs)
    return lambda: list(compiled([variable.value for variable in variables], extractor.probe))


_COMPILERS = {"tensorflow": _compiled_by_tensorflow, "jax": _compiled_by_jax}


@contextmanager
def _functions_eager() -> Iterator[None]:
    if keras.backend.backend() != "tensorflow":
        yield
        return
    config = importlib.import_module("tensorflow").config
    before = config.functions_run_eagerly()
    config.run_functions_eagerly(True)
    try:
        yield
    finally:
        config.run_functions_eagerly(before)
