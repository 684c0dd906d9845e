"""Text of others, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of show: colours, cursor movements, directions of writing."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text)
