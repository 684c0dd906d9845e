"""Keyword arguments that several calls share: declared once, as the fields of a dataclass that also checks them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def takes(options: type[Any], *, without: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Lets a function that takes `**options` show their names and defaults, in `help` and to whoever asks `inspect.signature`.

    Args:
        options: a dataclass whose fields are the keyword arguments.
        without: fields that the function does not take, or names itself.
    """

    def shown(function: F) -> F:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        named = {one.name for one in own} | set(without)
        added = [one for one in _parameters(options) if one.name not in named]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # functions have it
        return function

    return shown


def options_of(options: type[T], keywords: Mapping[str, Any], function: str) -> T:
    """The options that keyword arguments give.

    Args:
        options: a dataclass whose fields are the keyword arguments.
        keywords: as given.
        function: whose arguments they are, for the error message.

    Raises:
        TypeError: there is no such argument.
    """
    known = options.__dataclass_fields__  # type: ignore[attr-defined]  # a dataclass has it
    unknown = [name for name in keywords if name not in known]
    if unknown:
        raise TypeError(f"{function}() has no argument {unknown[0]!r}; allowed are {', '.join(known)}")
    return options(**keywords)


def _parameters(options: type[Any]) -> Iterator[inspect.Parameter]:
    for one in fields(options):
        default = inspect.Parameter.empty if one.default is MISSING else one.default
        yield inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=one.type)
