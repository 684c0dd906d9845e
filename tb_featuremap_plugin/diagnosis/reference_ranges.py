"""The curve that shows a finding, with the usual range of its column, and all usual ranges as plain JSON values."""

from __future__ import annotations

from tb_featuremap_plugin.diagnosis.findings import Chart
from tb_featuremap_plugin.schema.answers import ChartTable
from tb_featuremap_plugin.schema.columns import LAYERS, VARIABLES, Bounds, column


def chart(table: ChartTable, row: str, name: str, *, healthy: Bounds | None = None, log: bool | None = None) -> Chart:
    """The chart of one curve, with its usual range unless another is given.

    Args:
        table: "layers", "variables" or "losses".
        row: name of the row; "" for losses.
        name: of the column.
        healthy: the range to show, where it depends on the row.
        log: whether the axis is logarithmic, where it depends on what is shown.
    """
    known = column(table, name)
    return Chart(table, row, name, known.title, healthy or known.usual, known.log if log is None else log)


def healthy_ranges() -> dict[str, dict[str, Bounds]]:
    """All ranges that have a bound, by table and column."""
    tables = {"layers": LAYERS, "variables": VARIABLES}
    return {table: {one.name: one.usual for one in columns if one.usual != (None, None)} for table, columns in tables.items()}
