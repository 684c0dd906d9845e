"""What becomes of a watcher that is copied or saved along with the model that keeps it."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any

from tb_featuremap_plugin.schema.one_line import described


class WatcherCopy:
    """Stands where a copy of a model, or a model that was loaded from a file, has the watcher of the original. It logs nothing.

    Args:
        model: class of the original's model.
        at: the step that the original was at.
    """

    def __init__(self, model: str, at: int) -> None:
        self._model = model
        self._at = at
        self._told = False

    def step(self, loss: Any = None) -> None:
        """Logs nothing, and says so once."""
        if not self._told:
            self._told = True
            warnings.warn(
                "this watcher came with a copy of a model, or from a file, and logs nothing; call fm.torch.watch for this model too",
                RuntimeWarning,
                stacklevel=2,
            )

    def validate(self, loss: Any) -> None:
        """Does nothing: `step` says so."""

    def close(self) -> None:
        """Does nothing."""

    def __enter__(self) -> WatcherCopy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        return

    def __repr__(self) -> str:
        return described("WatcherCopy", f"of {self._model}", f"at step {self._at}", "logs nothing")
