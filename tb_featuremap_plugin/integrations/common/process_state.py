"""What belongs to the process as a whole: environment variables, warning filters, NumPy's handling of floating-point errors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def process_as_before() -> Iterator[None]:
    """These are at the end of the block as they were; what code does to them again later, it does then."""
    environment, filters, errors = dict(os.environ), list(warnings.filters), np.geterr()
    try:
        yield
    finally:
        if os.environ != environment:
            _set_environment(environment)
        if list(warnings.filters) != filters:
            warnings.filters[:] = filters  # type: ignore[index]  # typeshed says Sequence; it is a list
            with warnings.catch_warnings():  # Python forgets then which warnings the other filters let through
                pass
        if np.geterr() != errors:
            np.seterr(**errors)


def _set_environment(before: dict[str, str]) -> None:
    for name in [name for name in os.environ if name not in before]:
        del os.environ[name]
    os.environ.update(before)
