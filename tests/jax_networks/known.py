"""A network of JAX, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

KEY = jax.random.key(0)


@dataclass(frozen=True)
class Network:
    """A network, as `fm.jax.watch` takes it.

    Attributes:
        model: the module or the function.
        parameters: as `step` takes them.
        probe: inputs.
        layouts: of layers, in the order of their calls.
        kernels: layouts of parameters.
        outputs: names of the layers that are outputs.
    """

    model: Any
    parameters: Any
    probe: Any
    layouts: Mapping[str, str]
    kernels: Mapping[str, str]
    outputs: tuple[str, ...]


NETWORKS: dict[str, Callable[[], Network]] = {}


def network(make: Callable[[], Network]) -> Callable[[], Network]:
    """Lists a network by the name of the function that makes it."""
    NETWORKS[make.__name__] = make
    return make


def floats(*shape: int) -> Any:
    """Random inputs, the same at each call."""
    return jnp.asarray(np.random.default_rng(1).normal(size=shape), jnp.float32)


def tokens(*shape: int) -> Any:
    """Random numbers of rows of a table of 20."""
    return jnp.asarray(np.random.default_rng(2).integers(0, 20, shape))
