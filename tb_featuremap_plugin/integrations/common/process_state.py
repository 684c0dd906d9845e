"""What belongs to the process as a whole: environment variables, warning filters, NumPy's handling of floating-point errors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def process_as_before() -> Iterator[None]:
    """These are at the end of the block as they were; what code does to them again later, it does then."""
    environment, filters, errors = _environment(), list(warnings.filters), np.geterr()
    try:
        yield
    finally:
        if _environment() != environment:
            _set_environment(environment)
        if list(warnings.filters) != filters:
            warnings.filters[:] = filters  # type: ignore[index]  # typeshed says Sequence; it is a list
            with warnings.catch_warnings():  # Python forgets then which warnings the other filters let through
                pass
        if np.geterr() != errors:
            np.seterr(**errors)


def _environment() -> dict[Any, Any]:
    """As Python keeps it: to decode all of it takes 50 us, which is much for each logged step."""
    return dict(getattr(os.environ, "_data", os.environ))


def _set_environment(kept: dict[Any, Any]) -> None:
    before = {os.environ.decodekey(name): os.environ.decodevalue(value) for name, value in kept.items()}
    for name in [name for name in os.environ if name not in before]:
        del os.environ[name]
    os.environ.update(before)
