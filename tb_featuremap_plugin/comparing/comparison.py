"""What a comparison says: where two runs part, in fields, in words and as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tb_featuremap_plugin.reading import html_table
from tb_featuremap_plugin.schema.answers import ComparedAnswer, DifferenceAnswer
from tb_featuremap_plugin.schema.one_line import described, quoted

REPORT_VERSION = 1
"""Of the JSON form of a comparison, on the command line and over HTTP."""

THE_SAME = "the same"
OTHER_STARTS = "different starts (other seeds)"
NOT_COMPARABLE = "not comparable"

WEIGHTS, OUTPUT, LOSS, LEARNING_RATE = "weights", "output", "loss", "learning rate"
INPUTS, DTYPE, SHAPE, MISSING = "inputs", "dtype", "shape", "missing"
OPTIMIZER, LOSS_NAME = "optimizer", "loss function"
"""What parts; the last six are known from what the runs say of themselves, the first four from numbers."""


HEADS = ("step", "table", "row", "column", "channel", "a", "b", "difference")
"""Of a table of differences."""


@dataclass(frozen=True, repr=False)
class Difference:
    """One number that differs, or that was compared.

    Attributes:
        step: at which it was logged; None where it is of all steps together, such as a median.
        table: "variables", "layers", "filters", "maps", "losses", "progress" or "record".
        row: name of the variable or layer.
        column: of the table; "value" for an entry of a kernel.
        channel: index of the filter or channel; None for the row as a whole.
        a, b: the number in each run.
        difference: what differs over the size of the row, as docs/comparing.md defines it: the number that is held against noise.
    """

    step: int | None
    table: str
    row: str
    column: str
    channel: int | None
    a: float
    b: float
    difference: float

    def cells(self) -> tuple[str, ...]:
        """The fields as texts, under `HEADS`."""
        step, channel = ("" if value is None else str(value) for value in (self.step, self.channel))
        return (step, self.table, self.row, self.column, channel, f"{self.a + 0:.7g}", f"{self.b + 0:.7g}", f"{self.difference:.2g}")

    def __repr__(self) -> str:
        channel = None if self.channel is None else f"channel {self.channel}"
        step = None if self.step is None else f"step {self.step}"
        return described("Difference", f"{self.table} {quoted(self.row)}", self.column, channel, step, f"{self.a:.6g} and {self.b:.6g}")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Where two runs part, if they do.

    Attributes:
        same: whether they agree as far as both were logged.
        kind: "the same", "part at step N", "different starts (other seeds)" or "not comparable: ...".
        message: plain words, with the evidence.
        step: the first step at which they part; None where they do not, or where no step can be named.
        layer, variable: where; None where all layers part at once, or none is to blame.
        channel: index of the filter or channel that differs most; None if unknown.
        what: "weights", "output", "loss", "learning rate", "inputs", "dtype", "shape", "missing", "optimizer" or "loss function".
        rows: the numbers that part at that step, causes first.
        notes: what else a reader should know: steps that were left out, what only one run logged.
        a, b: titles of the runs.
    """

    same: bool
    kind: str
    message: str
    step: int | None = None
    layer: str | None = None
    variable: str | None = None
    channel: int | None = None
    what: str | None = None
    rows: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    a: str = ""
    b: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the runs cannot be compared."""
        return self.kind.startswith(NOT_COMPARABLE)

    def to_dict(self) -> ComparedAnswer:
        """Plain JSON values; numbers that JSON does not have are None."""
        return {
            "same": self.same,
            "kind": self.kind,
            "message": self.message,
            "step": self.step,
            "layer": self.layer,
            "variable": self.variable,
            "channel": self.channel,
            "what": self.what,
            "rows": [_plain(row) for row in self.rows],
            "notes": list(self.notes),
            "a": self.a,
            "b": self.b,
        }

    def __repr__(self) -> str:
        named = [f"{word} {quoted(name)}" for word, name in (("layer", self.layer), ("variable", self.variable)) if name is not None]
        channel = None if self.channel is None else f"channel {self.channel}"
        return described("Comparison", quoted(self.kind), self.what, *named, channel)

    def __str__(self) -> str:
        return "\n".join([self.message, *self.notes])

    def _repr_html_(self) -> str:
        said = html_table.paragraphs([f"a: {quoted(self.a)}, b: {quoted(self.b)}", self.message, *self.notes])
        rows = (row.cells() for row in self.rows)
        return said + (html_table.table(self.kind, HEADS, rows, len(self.rows), "row") if self.rows else "")


def _plain(row: Difference) -> DifferenceAnswer:
    a, b, difference = (value if math.isfinite(value) else None for value in (row.a, row.b, row.difference))
    return {
        "step": row.step,
        "table": row.table,
        "row": row.row,
        "column": row.column,
        "channel": row.channel,
        "a": a,
        "b": b,
        "difference": difference,
    }
