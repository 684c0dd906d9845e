"""Which software takes part in a run."""

from __future__ import annotations

import platform
import sys

from tb_featuremap_plugin._version import __version__

_PACKAGES = ("numpy", "tensorflow", "keras", "torch", "jax", "flax", "equinox")


def software_in_use() -> dict[str, str]:
    """Versions of Python, this package and the frameworks that are loaded; none is imported to ask it."""
    found = {"python": platform.python_version(), "tb_featuremap_plugin": __version__}
    for name in _PACKAGES:
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            found[name] = version
    return found
