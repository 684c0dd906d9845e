"""The inputs that feature maps are computed from: have they changed?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.schema.network import Probe

MOST_PROBES = 100
"""Changes of the probe that the run record lists; a loop that logs another batch each time would fill it."""

_DIGEST_BYTES = 8

Arrays = Mapping[str, npt.NDArray[Any]]


def digest_of(arrays: Arrays) -> str:
    """A hash of names, shapes, dtypes and values."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name, array in arrays.items():
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class ProbeLog:
    """Remembers every change of the probe."""

    def __init__(self) -> None:
        self.entries: tuple[Probe, ...] = ()
        self.changes = 0
        self._digest: str | None = None

    def changed(self, step: int, arrays: Arrays) -> bool:
        """Whether these inputs differ from the last ones; the first ones do."""
        digest = digest_of(arrays)
        if digest == self._digest:
            return False
        self.changes += self._digest is not None
        self._digest = digest
        if len(self.entries) < MOST_PROBES:
            self.entries += (Probe(step, digest, {name: array.shape for name, array in arrays.items()}),)
        return True
