"""What objects say of themselves: one line that a terminal can show, whatever the names in it are."""

from __future__ import annotations

LONGEST = 120
"""Characters of such a line."""

_LONGEST_NAME = 48


def quoted(name: str) -> str:
    """A name in quotes, with all escaped that a terminal would obey instead of show; the end of a long one is left out."""
    text = repr(name[:LONGEST])
    return text if len(text) <= _LONGEST_NAME and len(name) <= LONGEST else f"{text[: _LONGEST_NAME - 4]}...{text[-1]}"


def quoted_path(path: str) -> str:
    """The same of a path, of which the end says most."""
    text = repr(path[-LONGEST:])
    return text if len(text) <= _LONGEST_NAME and len(path) <= LONGEST else f"{text[0]}...{text[4 - _LONGEST_NAME :]}"


def described(kind: str, *parts: str | None) -> str:
    """`<Kind part, part>` of at most `LONGEST` characters; parts that are None or empty are left out.

    Args:
        kind: of the object, such as "Run".
        parts: names among them as `quoted` makes them.
    """
    text = _printable(f"{kind} {', '.join(part for part in parts if part)}".strip())
    return f"<{text}>" if len(text) <= LONGEST - 2 else f"<{text[: LONGEST - 5]}...>"


def counted(number: int, noun: str) -> str:
    """`1 step`, `12 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(steps: list[int]) -> str:
    """Steps in words: how many, and from where to where."""
    if len(steps) < 2:
        return f"step {steps[0]}" if steps else "no steps"
    return f"{counted(len(steps), 'step')} {steps[0]} to {steps[-1]}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text[: 2 * LONGEST])
