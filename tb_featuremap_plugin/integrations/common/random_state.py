"""Random numbers that go on as if nothing had happened, of every generator that all of a program shares."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_OTHER_SEEDS = 20_260_731
"""Where the seeds of TensorFlow's eager operations come from meanwhile: an operation goes on with its numbers where it was left, so that
one with a seed which the program is to draw next must not be used here."""

_KERAS_SEEDS = "global_seed_generator"

Restore = Callable[[], object]
"""Puts a generator back to where it was when this was made."""


@contextmanager
def random_numbers_as_before() -> Iterator[None]:
    """Python's, NumPy's, torch's, TensorFlow's and Keras' global generators are at the end where they were; JAX has none of its own.

    A framework that is not loaded is not imported. Generators that a module or layer keeps are no business of this function.
    """
    restores = list(_captured())
    try:
        yield
    finally:
        for restore in restores:
            restore()


def _captured() -> Iterator[Restore]:
    python, numpy = random.getstate(), np.random.get_state()
    yield lambda: random.setstate(python)
    yield lambda: np.random.set_state(numpy)
    for module, capture in (("torch", _torch), ("tensorflow", _tensorflow), ("keras", _keras)):
        if module in sys.modules:
            yield from _tried(module, capture)


def _tried(module: str, capture: Callable[[], Iterator[Restore]]) -> Iterator[Restore]:
    """What a framework's capture gives; a version that keeps its generators elsewhere must not stop the training."""
    try:
        yield from capture()
    except Exception as error:  # whatever a framework's own state raises
        what = f"{type(error).__name__}: {error}"
        warnings.warn(f"random numbers of {module} go on from where the probe leaves them: {what}", RuntimeWarning, stacklevel=2)


def _torch() -> Iterator[Restore]:
    """The default generators of the CPU and of each accelerator that is in use."""
    torch = sys.modules["torch"]
    cpu = torch.get_rng_state()
    yield lambda: torch.set_rng_state(cpu)
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        if device is not None and device.is_available() and device.is_initialized():
            states = device.get_rng_state_all()
            yield lambda device=device, states=states: device.set_rng_state_all(states)  # type: ignore[misc]  # one pair a device
    if hasattr(torch, "mps") and torch.backends.mps.is_available():
        state = torch.mps.get_rng_state()
        yield lambda: torch.mps.set_rng_state(state)


def _tensorflow() -> Iterator[Restore]:
    """The seeds of eager operations, which a Python generator hands out, and `tf.random.get_global_generator()` where it was made."""
    eager = sys.modules.get("tensorflow.python.eager.context")
    made = eager.context_safe() if eager is not None and hasattr(eager, "context_safe") else None
    generator: Any = getattr(made, "_rng", None)
    if isinstance(generator, random.Random):
        state = generator.getstate()
        generator.seed(_OTHER_SEEDS)
        yield lambda: generator.setstate(state)
    stateful = sys.modules.get("tensorflow.python.ops.stateful_random_ops")
    if stateful is None:
        return
    shared: Any = stateful.global_generator
    yield lambda: setattr(stateful, "global_generator", shared)
    if shared is not None:
        value = shared.state.numpy().copy()
        yield lambda: shared.state.assign(value)


def _keras() -> Iterator[Restore]:
    """The state of Keras' own global seed generator, which backends take their keys and seeds from."""
    keeper = sys.modules.get("keras.src.backend.common.global_state")
    if keeper is None:
        return
    shared: Any = keeper.get_global_attribute(_KERAS_SEEDS)
    yield lambda: keeper.set_global_attribute(_KERAS_SEEDS, shared)
    if shared is not None:
        value = _copied(shared.state.value)
        yield lambda: shared.state.assign(value)


def _copied(value: Any) -> Any:
    """The numbers of a backend's variable, by the framework's own way: NumPy's warns of arrays that cannot be asked for a copy."""
    numbers = value.detach().cpu() if hasattr(value, "detach") else value
    return np.array(numbers.numpy() if hasattr(numbers, "numpy") else numbers)
