"""Query parameters, checked: one that is unknown, missing, repeated or malformed is refused."""

from __future__ import annotations

import re

from werkzeug.wrappers import Request

from tb_featuremap_plugin.schema import limits

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")


class BadParameterError(ValueError):
    """A query parameter is unknown, missing, repeated or malformed."""


class Parameters:
    """Takes parameters by name; `done` refuses those that nobody took.

    Args:
        request: whose query parameters they are.

    Raises:
        BadParameterError: the query is not UTF-8.
    """

    def __init__(self, request: Request) -> None:
        try:
            self._given = request.args
        except UnicodeDecodeError:
            raise BadParameterError("the query is not UTF-8") from None
        self._taken: list[str] = []

    def one(self, name: str) -> str:
        """A parameter that must be there once.

        Raises:
            BadParameterError: it is missing or repeated.
        """
        value = self.optional(name)
        if value is None:
            raise BadParameterError(f"parameter {name!r} is missing")
        return value

    def optional(self, name: str) -> str | None:
        """A parameter that may be there once.

        Raises:
            BadParameterError: it is repeated.
        """
        values = self.several(name)
        if len(values) > 1:
            raise BadParameterError(f"parameter {name!r} is given {len(values)} times; it is allowed once")
        return values[0] if values else None

    def several(self, name: str) -> list[str]:
        """A parameter that may be there any number of times."""
        self._taken.append(name)
        return self._given.getlist(name)

    def step(self, name: str) -> int:
        """A step that must be there once.

        Raises:
            BadParameterError: it is missing, repeated or no whole number that a step can be.
        """
        text = self.one(name)
        if not _WHOLE_NUMBER.fullmatch(text) or abs(int(text)) > limits.MAX_STEP:
            raise BadParameterError(f"parameter {name!r} is {text!r:.100}; it must be a whole number of at most {limits.MAX_STEP}")
        return int(text)

    def done(self) -> None:
        """Refuses parameters that were not taken.

        Raises:
            BadParameterError: there is one.
        """
        unknown = sorted(set(self._given) - set(self._taken))
        if unknown:
            raise BadParameterError(f"parameter {unknown[0]!r:.100} is not known; known are {sorted(self._taken)}")
