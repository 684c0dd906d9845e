"""How steps and names are asked for: what is not there is said with what is."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Collection, Iterable

from tb_featuremap_plugin.reading.run import Int64, MissingError
from tb_featuremap_plugin.schema.one_line import counted, quoted

_MOST_NAMES, _MOST_STEPS = 8, 8


def step_of(steps: Int64, step: int, what: str) -> int:
    """The step that is meant.

    Args:
        steps: those that there are, increasing.
        step: one of them, or from -1 backwards a place among them: -1 is the last.
        what: has these steps, in words.

    Raises:
        TypeError: `step` is not an integer.
        MissingError: it is not one of them, and there are not so many.
    """
    return int(steps[place_of(steps, step, what)])


def place_of(steps: Int64, step: int, what: str) -> int:
    """The same as an index into `steps`."""
    try:
        wanted = operator.index(step)
    except TypeError:
        raise TypeError(f"step is {step!r:.100}, a {type(step).__name__}; allowed are whole numbers") from None
    if wanted < 0 and -wanted <= len(steps):
        return len(steps) + wanted
    place = int(steps.searchsorted(wanted))
    if wanted >= 0 and place < len(steps) and steps[place] == wanted:
        return place
    raise MissingError(f"{what} has nothing at step {wanted}; {_steps_there_are(steps)}")


def check_name(name: object, what: str) -> None:
    """Refuses what cannot be a name.

    Raises:
        TypeError: it is not a string.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what} is asked for by its name, a string, and not by {name!r:.100}")


def missing(what: str, name: object, known: Collection[str]) -> MissingError:
    """The error for a name that is not there: it names all that are, or of many those that are like it.

    Args:
        what: the name is one of, such as "layer with feature maps".
        name: that was asked for.
        known: names that there are.
    """
    text = name if isinstance(name, str) else repr(name)
    if not known:
        return MissingError(f"there is no {what} {quoted(text)}, nor any other")
    close = difflib.get_close_matches(text, known, _MOST_NAMES) if len(known) > _MOST_NAMES else ()
    told = f"like it: {_names(close)}" if close else f"there are {_names(known)}"
    return MissingError(f"there is no {what} {quoted(text)}; {told}")


def _names(names: Collection[str]) -> str:
    shown = [quoted(name) for _, name in zip(range(_MOST_NAMES), names, strict=False)]
    return _listed(shown, len(names))


def _listed(shown: Iterable[str], count: int) -> str:
    parts = list(shown)
    return ", ".join(parts) + (f" and {count - len(parts):,} more" if count > len(parts) else "")


def _steps_there_are(steps: Int64) -> str:
    if len(steps) <= _MOST_STEPS:
        return f"there are {', '.join(map(str, steps.tolist()))}" if len(steps) else "there are no steps"
    first, last = steps[: _MOST_STEPS - 2].tolist(), steps[-2:].tolist()
    return f"there are {counted(len(steps), 'step')}: {', '.join(map(str, first))}, ... {', '.join(map(str, last))}"
