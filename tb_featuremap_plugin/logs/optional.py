"""Packages that hand arrays on or draw them, loaded when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any


def import_pandas() -> Any:
    """The module `pandas`.

    Raises:
        ImportError: it is not installed.
    """
    return _load("pandas", "to_pandas()")


def import_arrow() -> Any:
    """The module `pyarrow`.

    Raises:
        ImportError: it is not installed.
    """
    return _load("pyarrow", "to_arrow()")


def import_matplotlib() -> Any:
    """The module `matplotlib`, with what a figure needs.

    Raises:
        ImportError: it is not installed.
    """
    module = _load("matplotlib", "figure()")
    for part in ("cm", "colors", "figure"):
        importlib.import_module(f"matplotlib.{part}")
    return module


def _load(package: str, what: str) -> Any:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ImportError(f"{what} needs {package}, which is not installed; `pip install {package}`", name=package) from error
