"""Names of runs: how they are shown and sorted, and which belong together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tb_featuremap_plugin.schema import tags


def title(name: str) -> str:
    """The name under which a run is shown: its parent's, if a Monitor wrote into a folder of its own or the run is a root of several."""
    parent, separator, last = _last_part(name)
    return (parent if separator else ".") if last in (tags.MONITOR_RUN, ".") else name


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts `conv2` before `conv10`."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(0, int(part), "") if place % 2 else (1, 0, part) for place, part in enumerate(parts)]


def run_order(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts runs by their titles, and runs of one title by their names."""
    return natural_key(title(name)), name


class Siblings:
    """Which runs' scalars are shown with those of a run: its own, its parent's if a Monitor wrote it, and the folders' directly below that.

    Args:
        names: of all runs.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._below: dict[str, list[str]] = {}
        for name in self._names:
            self._below.setdefault(_parent(name), []).append(name)

    def of(self, name: str) -> list[str]:
        """Names of those that there are, in natural order."""
        group = title(name)
        return sorted(self._names.intersection((name, group, *self._below.get(group, ()))), key=natural_key)


def sibling_scalars(siblings: Iterable[str], tags_of: Callable[[str], Iterable[str]]) -> dict[str, Sequence[str]]:
    """Names of the scalar series of runs that have any, in natural order.

    Args:
        siblings: names of the runs.
        tags_of: a run's name to the tags of its scalars.
    """
    found = {run: sorted(tags_of(run), key=natural_key) for run in siblings}
    return {run: tags for run, tags in found.items() if tags}


def _last_part(name: str) -> tuple[str, str, str]:
    cut = max(name.rfind("/"), name.rfind("\\"))
    return (name[:cut], name[cut], name[cut + 1 :]) if cut >= 0 else ("", "", name)


def _parent(name: str) -> str:
    parent, separator, _ = _last_part(name)
    return parent if separator else "."
