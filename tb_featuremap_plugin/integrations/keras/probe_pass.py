"""Runs the probe through a network and returns what chosen layers put out: compiled once, used again at every logged step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import keras

from tb_featuremap_plugin.arrays.tensors import to_numpy
from tb_featuremap_plugin.integrations.keras import tensor_state
from tb_featuremap_plugin.integrations.keras.call_trace import LayerCall, Trace, watching
from tb_featuremap_plugin.integrations.keras.guarded_pass import Guard, warn_of_effect
from tb_featuremap_plugin.integrations.keras.leaf_layers import operations, variables_of
from tb_featuremap_plugin.monitor.probe_size import samples_of

Values = Sequence[tuple[Any, Any]]
"""Variables and what they are worth in a pass."""

Select = Callable[[Trace], Sequence[LayerCall]]
"""Which calls of a pass are wanted."""

Run = Callable[[], list[Any]]


FIRST_LAYERS = 4
"""Layers with weights, from the first on, of which it is told what they are given: networks with several inputs have several."""


class UnguardedPassError(RuntimeError):
    """A pass of the probe would change what cannot be put back."""


class ProbePass:
    """Feature maps of a Keras network on any backend, whatever it is made of.

    The pass is in inference mode and in a stateless scope: it changes no variable, no metric and no seed. What else it changes is put
    back.

    Args:
        network: built.
        probe: tensors.
        layers, blocks: whose calls are followed, by name.
        select: which of them are wanted.
        guard: of the whole model.

    Attributes:
        trace: the calls of the pass.
        names: of the calls that are wanted.
        samples: of the probe; None if unknown.
        ranges: lowest and highest number that the first layers with weights were given, by the names of their calls; empty before the
            first run.

    Raises:
        Exception: whatever the network raises for this probe.
    """

    def __init__(
        self,
        network: Any,
        probe: Any,
        layers: Mapping[str, Any],
        blocks: Mapping[str, Any],
        select: Select,
        guard: Guard,
    ) -> None:
        self._network, self._probe, self._layers, self._blocks = network, probe, layers, blocks
        self._operations = operations(network)
        self._select, self._guard = select, guard
        self.samples = samples_of(probe)
        self.trace = Trace()
        self.names: tuple[str, ...] = ()
        self.ranges: dict[str, tuple[float, float]] = {}
        self._ranged: tuple[str, ...] = ()
        backend = keras.backend.backend()
        self._run: Run = {"tensorflow": self._by_tensorflow, "jax": self._by_jax}.get(backend, self._not_compiled)()

    def __call__(self) -> dict[str, Any]:
        """The chosen outputs by name, as the backend's tensors; of several outputs of one layer the first."""
        outputs = self._run()
        if not self.ranges:
            self.ranges = dict(zip(self._ranged, map(_range, outputs[len(self.names) :]), strict=True))
        return dict(zip(self.names, outputs, strict=False))

    def _pass(self, probe: Any, values: Values = ()) -> list[Any]:
        scope = keras.StatelessScope(state_mapping=list(values), initialize_variables=False)
        with scope, watching(self._layers, self._blocks, self._operations) as trace:
            trace.finish(self._network(probe, training=False))
        chosen = [call for call in self._select(trace) if call.tensor is not None]
        ranged = [call for call in trace.calls if _has_range(call)][:FIRST_LAYERS]
        outputs = [call.tensor for call in chosen] + [_extremes(call.given) for call in ranged]
        self.names, self._ranged = tuple(call.name for call in chosen), tuple(call.name for call in ranged)
        trace.forget_tensors()
        self.trace = trace
        return outputs

    def _guarded(self) -> list[Any]:
        with self._guard(), _functions_eager():
            return self._pass(self._probe)

    def _not_compiled(self) -> Run:
        first = [self._guarded()]
        return lambda: first.pop() if first else self._guarded()

    def _by_tensorflow(self) -> Run:
        """A graph, into which functions of the user's are taken; eagerly where a layer's code cannot become one."""
        tf = importlib.import_module("tensorflow")
        try:  # of one signature, whose look-up would take a third of a small network's pass
            with self._guard(), _functions_eager(), tf.summary.record_if(False):
                compiled = tf.function(lambda: self._pass(self._probe), autograph=False).get_concrete_function()
        except Exception:  # whatever a layer's code raises for tensors without values; an error of its own comes again
            return self._not_compiled()
        return guarded_graph(compiled, self._guard)

    def _by_jax(self) -> Run:
        jax = importlib.import_module("jax")
        variables = self._network.variables
        arrays, structure = _arrays_of(self._probe)

        def outputs(values: list[Any], arrays: list[Any]) -> list[Any]:
            return self._pass(structure(arrays), list(zip(variables, values, strict=True)))

        def arguments() -> tuple[list[Any], list[Any]]:
            return [variable.value for variable in variables], arrays

        compiled = jax.jit(outputs)
        with self._guard():
            traced = compiled.trace(*arguments()) if hasattr(compiled, "trace") else None
        if traced is not None and not traced.jaxpr.effects:
            return lambda: list(compiled(*arguments()))
        return self._with_effects(jax, lambda: list(compiled(*arguments())))

    def _with_effects(self, jax: Any, run: Run) -> Run:
        """A pass that calls back into Python."""

        def guarded() -> list[Any]:
            with self._guard():
                outputs = jax.block_until_ready(run())
                jax.effects_barrier()
            return list(outputs)

        return guarded


def guarded_graph(compiled: Any, guard: Guard) -> Run:
    """A run of a function's graph, after which what it wrote is as it was.

    Raises:
        UnguardedPassError: it writes to what cannot be put back.
    """
    lasting = tensor_state.lasting_operations(compiled.graph)
    if lasting:
        warn_of_effect(guard.layer_in(lasting[0]), "changes a table, a queue or a file")
        raise UnguardedPassError(f"a pass of the probe would run {lasting[0]}, whose effect cannot be put back; no maps are logged")
    written = tensor_state.written_variables(compiled.graph)
    calls_python = tensor_state.calls_python(compiled.graph)

    def run() -> list[Any]:
        with tensor_state.kept(written), guard() if calls_python else nullcontext():
            return list(compiled())

    return run


def _has_range(call: LayerCall) -> bool:
    """Whether a call is of a layer with weights, and was given floating-point numbers."""
    numbers = call.given is not None and keras.backend.is_float_dtype(keras.backend.standardize_dtype(call.given.dtype))
    return numbers and not call.block and bool(variables_of(call.layer)[0])


def _extremes(tensor: Any) -> Any:
    return keras.ops.stack([keras.ops.min(tensor), keras.ops.max(tensor)])


def _range(extremes: Any) -> tuple[float, float]:
    low, high = to_numpy(extremes, "inputs").astype(float).tolist()
    return low, high


def _arrays_of(probe: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The arrays of a probe, and a function that puts others in their place; what is no array stays where it is."""
    leaves = keras.tree.flatten(probe)
    places = [index for index, leaf in enumerate(leaves) if hasattr(leaf, "shape") and hasattr(leaf, "dtype")]

    def structure(arrays: list[Any]) -> Any:
        filled = list(leaves)
        for index, array in zip(places, arrays, strict=True):
            filled[index] = array
        return keras.tree.pack_sequence_as(probe, filled)

    return [leaves[index] for index in places], structure


@contextmanager
def _functions_eager() -> Iterator[None]:
    """Functions of TensorFlow inside layers are run as plain Python, and not traced."""
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
