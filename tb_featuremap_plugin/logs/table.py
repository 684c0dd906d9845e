"""The numbers of a run: rows and columns over steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.logs.asking import check_name, missing, place_of
from tb_featuremap_plugin.logs.optional import import_arrow, import_pandas
from tb_featuremap_plugin.reading import html_table
from tb_featuremap_plugin.reading import run as reading
from tb_featuremap_plugin.reading.run import Float32, Float64, Int64
from tb_featuremap_plugin.schema.columns import LAYERS, PROGRESS, VARIABLES, Column
from tb_featuremap_plugin.schema.one_line import counted, described, span

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS: Mapping[str, Sequence[Column]] = {"layers": LAYERS, "variables": VARIABLES, "progress": PROGRESS}
"""The columns of each table, as far as this package knows them."""

_UNKNOWN_UNIT = "number"


class Table:
    """The numbers of a run: of its layers, of its variables, or of the run as a whole.

    `table["update_ratio"]` is a column, [steps, rows]; `table["update_ratio", "conv1/kernel"]` is a row of it, [steps].

    Attributes:
        kind: "layers", "variables" or "progress".
        columns: names of the K columns.
        names: of the R rows: layers (and "@inputs", "@targets": the probe), variables, or the one row "run".
        steps: [T], strictly increasing.
        wall_times: [T], seconds since the epoch.
        units: of each column: "number", "share" (0 to 1), "ratio", "count", "step", "bytes", "seconds" or "flag" (0 or 1).
    """

    def __init__(self, kind: str, table: reading.Table | None) -> None:
        if table is None:
            known = tuple(column.name for column in COLUMNS[kind])
            values = np.empty((0, 0, len(known)), np.float32)
            table = reading.Table((), known, np.empty(0, np.int64), np.empty(0, np.float64), values)
        units: dict[str, str] = {column.name: column.unit for column in COLUMNS[kind]}
        self.kind = kind
        self.columns: tuple[str, ...] = table.columns
        self.names: tuple[str, ...] = table.rows
        self.steps: Int64 = table.steps
        self.wall_times: Float64 = table.wall_times
        self.units: Mapping[str, str] = {name: units.get(name, _UNKNOWN_UNIT) for name in table.columns}
        self._values = table.values

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of steps, rows and columns."""
        return len(self.steps), len(self.names), len(self.columns)

    def to_numpy(
        self, *, rows: str | Sequence[str] | None = None, columns: str | Sequence[str] | None = None, step: int | None = None
    ) -> Float32:
        """The numbers, [steps, rows, columns]; NaN where one was not logged. What is selected by one name or step has no axis.

        Args:
            rows: names of the rows, in the order that is wanted.
            columns: names of the columns, likewise.
            step: one of `steps`, or a place among them from -1 backwards.

        Raises:
            KeyError: a row, a column or the step is not there.
        """
        what = f"the table of {self.kind}"
        values = self._values[:, :, _places(columns, self.columns, f"column in {what}")]
        values = values[:, _places(rows, self.names, f"row in {what}")]
        selected: Float32 = values[slice(None) if step is None else place_of(self.steps, step, what)].copy()
        return selected

    def to_pandas(self) -> pd.DataFrame:
        """A tidy DataFrame: a line for each step and row, with the index levels "step" and "name".

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = import_pandas()
        index = pandas.MultiIndex.from_product([self.steps, list(self.names)], names=["step", "name"])
        return pandas.DataFrame(self._values.reshape(len(index), len(self.columns)).copy(), index=index, columns=list(self.columns))

    def to_arrow(self) -> pa.Table:
        """The same as a pyarrow Table: the columns "step" and "name", then the table's, each with its unit as metadata of its field.

        Raises:
            ImportError: pyarrow is not installed.
        """
        arrow = import_arrow()
        names = arrow.DictionaryArray.from_arrays(np.tile(np.arange(len(self.names), dtype=np.int32), len(self.steps)), list(self.names))
        fields = [arrow.field("step", arrow.int64()), arrow.field("name", names.type)]
        fields += [arrow.field(name, arrow.float32(), metadata={"unit": self.units[name]}) for name in self.columns]
        flat = np.ascontiguousarray(self._values.reshape(-1, len(self.columns)).T)
        arrays = [np.repeat(self.steps, len(self.names)), names, *flat]
        return arrow.Table.from_arrays([arrow.array(array) for array in arrays], schema=arrow.schema(fields))

    def __getitem__(self, key: str | tuple[str, str]) -> Float32:
        if isinstance(key, tuple) and len(key) != 2:
            raise TypeError(f"a table is asked for a column, or for a column and a row, and not for {len(key)} names")
        column, row = key if isinstance(key, tuple) else (key, None)
        return self.to_numpy(rows=row, columns=column)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("the numbers of a table cannot be had without a copy")
        return self.to_numpy().astype(dtype or np.float32, copy=False)

    def __repr__(self) -> str:
        _, rows, columns = self.shape
        return described("Table", self.kind, span(self.steps.tolist()), counted(rows, "row"), counted(columns, "column"))

    def _repr_html_(self) -> str:
        steps = self.steps.tolist()
        which = f", of which this is step {steps[-1]}" if len(steps) > 1 else ""
        numbers = zip(self.names, self._values[-1], strict=True) if steps else ()
        rows = ((name, *(f"{number:.5g}" for number in row.tolist())) for name, row in numbers)
        count = len(self.names) if steps else 0
        return html_table.table(f"{self.kind}, {span(steps)}{which}", ("name", *self.columns), rows, count, "row")


def _places(wanted: str | Sequence[str] | None, known: Sequence[str], what: str) -> Any:
    """An index along the axis of these names: of one name a number, which takes the axis away."""
    if wanted is None:
        return slice(None)
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        return _place(wanted, known, what)
    return [_place(name, known, what) for name in wanted]


def _place(name: str, known: Sequence[str], what: str) -> int:
    check_name(name, f"a {what}")
    if name not in known:
        raise missing(what, name, known)
    return known.index(name)
