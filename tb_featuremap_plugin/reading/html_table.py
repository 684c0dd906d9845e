"""What objects are in a notebook: a plain table, in which no name is markup."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import islice

from tb_featuremap_plugin.reading.printable import printable
from tb_featuremap_plugin.schema.one_line import counted

MOST_ROWS, MOST_COLUMNS = 20, 20

_LONGEST_CELL = 80
_LONGEST_SENTENCE = 4000

_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
"""Notebooks would set what stands between dollar signs as a formula, and a formula can hold links."""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], count: int, what: str) -> str:
    """An HTML table of the first rows and columns; below it stands how many are left out.

    Args:
        caption: stands above it.
        head: names of the columns.
        rows: a text for each column; those that are not shown are not asked for.
        count: how many rows there are.
        what: a row is, such as "layer".
    """
    shown = [head[:MOST_COLUMNS], *(row[:MOST_COLUMNS] for row in islice(rows, MOST_ROWS))]
    lines = [f"<tr>{''.join(_cell(text, 'td' if place else 'th') for text in row)}</tr>" for place, row in enumerate(shown)]
    more = [(count - MOST_ROWS, what), (len(head) - MOST_COLUMNS, "column")]
    left_out = " and ".join(f"{counted(number, noun)}" for number, noun in more if number > 0)
    note = f"<p>{_text(left_out)} not shown</p>" if left_out else ""
    body = f"<thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody>"
    return f'<div class="{_NO_FORMULAS}"><table><caption>{_text(caption)}</caption>{body}</table>{note}</div>'


def paragraphs(texts: Iterable[str]) -> str:
    """Sentences, a paragraph each; names in them stand in backticks."""
    return f'<div class="{_NO_FORMULAS}">{"".join(f"<p>{_sentence(text)}</p>" for text in texts)}</div>'


def _sentence(text: str) -> str:
    parts = html.escape(printable(text[:_LONGEST_SENTENCE])).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _cell(text: str, element: str) -> str:
    return f"<{element}>{_text(text)}</{element}>"


def _text(text: str) -> str:
    cut = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 3]}..."
    return html.escape(printable(cut))
