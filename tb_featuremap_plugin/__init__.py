"""Feature Maps for TensorBoard: log what a network sees, what it has learnt, and whether it is learning.

Importing this package imports no framework and no TensorFlow; each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tb_featuremap_plugin._version import __version__

if TYPE_CHECKING:
    import tb_featuremap_plugin.integrations.jax as jax
    import tb_featuremap_plugin.integrations.keras as keras
    import tb_featuremap_plugin.integrations.torch as torch
    import tb_featuremap_plugin.summary as summary
    from tb_featuremap_plugin.diagnosis.findings import Finding, Verdict
    from tb_featuremap_plugin.export.show import show
    from tb_featuremap_plugin.logs import Comparison, Logs, Norms, Picture, Run, Series, Table, compare, open
    from tb_featuremap_plugin.monitor import Monitor
    from tb_featuremap_plugin.schema.network import Layer
    from tb_featuremap_plugin.writer import Writer

__all__ = [
    "Comparison",
    "Finding",
    "Layer",
    "Logs",
    "Monitor",
    "Norms",
    "Picture",
    "Run",
    "Series",
    "Table",
    "Verdict",
    "Writer",
    "__version__",
    "compare",
    "jax",
    "keras",
    "open",
    "show",
    "summary",
    "torch",
]

_MODULES = {"summary": "summary", "jax": "integrations.jax", "keras": "integrations.keras", "torch": "integrations.torch"}
_LOGS = ("Comparison", "Logs", "Norms", "Picture", "Run", "Series", "Table", "compare", "open")
_CLASSES = {"Layer": "schema.network", "Monitor": "monitor", "Writer": "writer", "show": "export.show", **dict.fromkeys(_LOGS, "logs")}
_CLASSES |= dict.fromkeys(("Finding", "Verdict"), "diagnosis.findings")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return _imported(name)
    if name in _CLASSES:
        return getattr(importlib.import_module(f"{__name__}.{_CLASSES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _imported(name: str) -> object:
    try:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"fm.{name} needs {name}, which is not installed: pip install {name}") from error


def __dir__() -> list[str]:
    return sorted(__all__)
