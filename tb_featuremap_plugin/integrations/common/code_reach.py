"""Whose code is whose, and which globals a function names."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

_FRAMEWORKS = frozenset(
    {
        *("torch", "numpy", "tensorflow", "keras", "jax", "jaxlib", "flax", "triton", "optree", "scipy", "sklearn", "pandas", "pyarrow"),
        *("tensorboard", "tensorboardX", "tb_featuremap_plugin", "wandb", "mlflow", "neptune", "comet_ml", "tqdm", "rich", "loguru"),
        *("lightning", "pytorch_lightning", "lightning_fabric", "accelerate", "deepspeed", "ignite", "fastai", "ray", "datasets"),
        *("PIL", "cv2", "h5py", "matplotlib", "tokenizers", "google", "absl", "pytest", "_pytest", "hypothesis"),
    }
)
"""Whose objects are left alone: they are not changed by a model's forward, or know themselves how to be."""


@functools.cache
def is_foreign(module: str | None) -> bool:
    """Whether a module is of the standard library or of a framework."""
    root = (module or "").partition(".")[0]
    return root != "__main__" and (root in sys.stdlib_module_names or root in _FRAMEWORKS)


@functools.cache
def is_library(module: str | None) -> bool:
    """Whether a module was installed, and is none of the user's own program."""
    file = getattr(sys.modules.get(module or ""), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def globals_of(function: types.FunctionType) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """The globals that a function's code names: of its own module, and of the user's modules that it names, as in `counters.calls += 1`.

    Yields:
        The mapping that holds a global, its name and its value.
    """
    names = names_in(function.__code__)
    waiting, seen = [function.__globals__], {id(function.__globals__)}
    while waiting:
        scope = waiting.pop()
        for name in names:
            if name not in scope:
                continue
            value = scope[name]
            if not isinstance(value, types.ModuleType):
                yield scope, name, value
            elif id(value.__dict__) not in seen and not is_foreign(value.__name__) and not is_library(value.__name__):
                seen.add(id(value.__dict__))
                waiting.append(value.__dict__)


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> tuple[str, ...]:
    """All names that code and the functions within it load or store beyond their local variables."""
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in names_in(part)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


@functools.lru_cache(maxsize=4096)
def globals_set_by(code: types.CodeType) -> tuple[str, ...]:
    """Names of the globals that code, or a function within it, gives a value."""
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in globals_set_by(part)]
    return (*(one.argval for one in dis.get_instructions(code) if one.opname == "STORE_GLOBAL"), *inner)
