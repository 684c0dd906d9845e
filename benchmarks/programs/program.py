"""What a program is, and the list of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Train = Callable[[Path], object]


@dataclass(frozen=True)
class Program:
    """A program as a user writes it.

    Attributes:
        name: what it is, in a few words.
        group: "data", "loss", "loop", "network", "transformers" or "gans".
        train: trains, and logs every step into a folder.
        rules: rules that are a right headline; empty where nothing is wrong.
        places: prefixes of the headline's target that are right; any if empty.
    """

    name: str
    group: str
    train: Train
    rules: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()

    @property
    def is_faulty(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.rules)

    @property
    def slug(self) -> str:
        """The name of its folder."""
        return "".join(character if character.isalnum() else "_" for character in self.name.lower())


PROGRAMS: list[Program] = []


def healthy(name: str, group: str) -> Callable[[Train], Train]:
    """Adds a function to the list as a program with nothing wrong."""
    return faulty(name, group, ())


def faulty(name: str, group: str, rules: Iterable[str], places: Iterable[str] = ()) -> Callable[[Train], Train]:
    """Adds a function to the list as a program with a fault."""

    def add(train: Train) -> Train:
        PROGRAMS.append(Program(name, group, train, frozenset(rules), tuple(places)))
        return train

    return add
