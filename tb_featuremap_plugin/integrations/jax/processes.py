"""Arrays of a training that runs in several processes: what this one can read of them without the others.

A computation on an array that lies on devices of other processes is one that all of them must make. A process that logs on its own would
wait for the others, or meet another computation of theirs, which ends the training; so nothing here computes on such an array.
"""

from __future__ import annotations

from typing import Any

import jax

_ADVICE = (
    "in all processes call jax.experimental.multihost_utils.process_allgather(parameters, tiled=True) at the steps that are logged, "
    "and give the watcher what it returns"
)


class ElsewhereError(TypeError):
    """Parts of an array lie in other processes only."""


def local(arrays: Any) -> Any:
    """The same arrays as this process alone can compute with: of one that every device has whole, the copy of a device of its own.

    Args:
        arrays: a pytree; what is not an array of JAX stays as it is.

    Raises:
        ElsewhereError: parts of an array lie in other processes only.
    """
    return jax.tree.map(_local, arrays)


def is_copy(arrays: Any) -> bool:
    """Whether another process, the first one, has the same global arrays and logs them."""
    return jax.process_count() > 1 and jax.process_index() > 0 and any(map(_is_global, jax.tree.leaves(arrays)))


def _local(leaf: Any) -> Any:
    if not _is_global(leaf):
        return leaf
    if not leaf.is_fully_replicated:
        count = jax.process_count()
        raise ElsewhereError(
            f"an array of shape {leaf.shape} is sharded over {count} processes, of which each reads its part only: {_ADVICE}"
        )
    return leaf.addressable_data(0)


def _is_global(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable
