"""What could not be logged: by name, each with its reason, told once for each different failure."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_MOST_CHARACTERS = 400
_MOST_NAMES = 3
_MOST_NOTES = 10
_MOST_TOLD = 1000
"""Different failures that are told of; a loop that fails in another way at each step would fill the memory."""


class LeftOut:
    """Collects failures from the loop and from behind it; each costs what it happened to and nothing else.

    Attributes:
        reasons: by name, such as "weights/conv1/kernel" or "learning_rate", as the run record says them.
    """

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._lock = threading.Lock()
        self._told: set[tuple[str, str]] = set()
        self._untold: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self._errors: list[Exception] = []
        self._remarks: list[str] = []

    def attempt(self, name: str, action: Callable[[], T]) -> T | None:
        """What `action` returns; None if it fails, which is kept under `name`."""
        try:
            return action()
        except Exception as error:  # of the user's own code and data, which costs the part of this name alone
            self.add(name, error)
            return None

    def add(self, name: str, error: Exception) -> None:
        """Takes note that what `name` names was left out, and why."""
        reason = f"{type(error).__name__}: {error}"[:_MOST_CHARACTERS]
        kind = name.partition("/")[0], _kind_of(reason, name)
        with self._lock:
            self.reasons.setdefault(name, reason)
            if kind in self._told or len(self._told) > _MOST_TOLD:
                return
            if kind not in self._untold:
                self._errors.append(error)
            _, names = self._untold.setdefault(kind, (reason, []))
            if name not in names:
                names.append(name)

    def warn(self, sentence: str) -> None:
        """Has something said once, though nothing was left out."""
        with self._lock:
            if ("", sentence) not in self._told and len(self._told) <= _MOST_TOLD:
                self._told.add(("", sentence))
                self._remarks.append(sentence)

    def note(self, name: str, reason: str) -> None:
        """Writes down what was left out on purpose, without a warning; the latest reason stands."""
        with self._lock:
            self.reasons[name] = reason

    def knows(self, name: str) -> bool:
        """Whether something was said of this name."""
        return name in self.reasons

    def snapshot(self) -> dict[str, str]:
        """The reasons so far."""
        with self._lock:
            return dict(self.reasons)

    def notes(self) -> list[str]:
        """The same in a few sentences."""
        reasons = self.snapshot()
        shown = [f"not logged: {name}: {reason}" for name, reason in list(reasons.items())[:_MOST_NOTES]]
        more = len(reasons) - len(shown)
        return [*shown, f"not logged: {more} more, which the run record lists as left_out"] if more else shown

    def take(self) -> tuple[list[str], list[Exception]]:
        """What was not told yet: a sentence for each different failure, and the errors behind them."""
        if not (self._untold or self._remarks):
            return [], []
        with self._lock:
            untold, self._untold = self._untold, {}
            errors, self._errors = self._errors, []
            remarks, self._remarks = self._remarks, []
            self._told.update(untold)
            sentences = [f"feature maps are logged without {_listed(names)}: {reason}" for reason, names in untold.values()]
        return [*remarks, *sentences], errors


def _kind_of(reason: str, name: str) -> str:
    """The reason without what differs from one array or step to the next: names and numbers."""
    leaf = name.partition("/")[2]
    return re.sub(r"\d+", "#", reason.replace(repr(leaf), "") if leaf else reason)


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
