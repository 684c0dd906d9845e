"""One run, as its record, its numbers and its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NoReturn

import numpy as np

from tb_featuremap_plugin.diagnosis import Diagnosis, Finding, Verdict, diagnose
from tb_featuremap_plugin.logs.asking import check_name, missing, step_of
from tb_featuremap_plugin.logs.picture import Picture
from tb_featuremap_plugin.logs.scalars import Scalars
from tb_featuremap_plugin.logs.series import Series
from tb_featuremap_plugin.logs.table import COLUMNS, Table
from tb_featuremap_plugin.reading import html_table
from tb_featuremap_plugin.reading import run as reading
from tb_featuremap_plugin.reading.run import Int64, MissingError, Source
from tb_featuremap_plugin.schema.answers import PictureKind, TableName
from tb_featuremap_plugin.schema.columns import INPUTS_ROW
from tb_featuremap_plugin.schema.layer_kinds import kernels_of
from tb_featuremap_plugin.schema.network import Layer, Probe, RunRecord
from tb_featuremap_plugin.schema.one_line import counted, described, quoted, span
from tb_featuremap_plugin.schema.tags import PICTURE_KINDS

_WHAT: Mapping[PictureKind, str] = {"maps": "layer with feature maps", "filters": "variable with filters", "inputs": "input with pictures"}


class Run:
    """One run. What it holds is read when it is first asked for, each picture on its own.

    Attributes:
        name: the folder below the logdir, as TensorBoard names the run.
        title: the name in the tab.
    """

    def __init__(self, source: Source, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self._source = source

    @cached_property
    def steps(self) -> Int64:
        """All steps at which numbers or pictures were logged and kept, [T]."""
        run = self._read
        tables = [table.steps for table in (run.layers, run.variables, run.progress) if table is not None]
        found = [*tables, *(series.steps for series in run.pictures)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    @property
    def record(self) -> RunRecord:
        """All that the run says of itself; where only single calls were logged, a record of which everything is unknown."""
        return self._read.record or RunRecord()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order of depth, with their kinds, geometry and inputs; where that was not logged, their names alone."""
        if self.record.layers:
            return self.record.layers
        rows = self._read.layers.rows if self._read.layers is not None else ()
        names = dict.fromkeys([*(row for row in rows if not row.startswith(INPUTS_ROW[0])), *self.pictures["maps"]])
        return tuple(Layer(name) for name in names)

    @property
    def kernels(self) -> Mapping[str, str]:
        """The variable that is the kernel of a layer, by the layer's name; layers without one are left out."""
        return kernels_of(self.record)

    @property
    def probe(self) -> Probe | None:
        """The inputs that the latest feature maps were computed from; `record.probes` has the earlier ones. None if unknown."""
        return self.record.probes[-1] if self.record.probes else None

    @cached_property
    def losses(self) -> Series:
        """The loss of each training step, as far as it was logged."""
        return Series("loss", self._read.losses)

    @cached_property
    def scalars(self) -> Mapping[str, Mapping[str, Series]]:
        """Scalars that were logged beside this run, by TensorBoard's name of the run that they are in, and by tag; read when asked for."""
        return Scalars(self._source, self.name)

    @property
    def problems(self) -> tuple[str, ...]:
        """What of the run could not be read, in sentences."""
        return tuple(f"{problem.tag}: {problem.message}" if problem.tag else problem.message for problem in self._read.problems)

    @cached_property
    def pictures(self) -> Mapping[PictureKind, Mapping[str, Int64]]:
        """The steps of all pictures, by kind ("maps", "filters", "inputs") and name, in the order of the network."""
        found: dict[PictureKind, dict[str, Int64]] = {kind: {} for kind in PICTURE_KINDS}
        for series in self._read.pictures:
            found[series.kind][series.name] = series.steps
        return found

    def table(self, kind: TableName) -> Table:
        """The numbers of the "layers", of the "variables" or of the run's "progress"; without steps where none were logged.

        Raises:
            KeyError: there is no table of that kind.
        """
        check_name(kind, "a table")
        if kind not in COLUMNS:
            raise missing("table", kind, tuple(COLUMNS))
        tables = {"layers": self._read.layers, "variables": self._read.variables, "progress": self._read.progress}
        return Table(kind, tables[kind])

    def maps(self, layer: str, step: int = -1) -> Picture:
        """The feature maps of a layer.

        Args:
            layer: its name.
            step: one of `pictures["maps"][layer]`, or a place among them from -1 backwards: -1 is the last.

        Raises:
            KeyError: there is no such layer or step; the message says what there is.
            ValueError: the stored bytes are damaged.
        """
        return self._picture("maps", layer, step)

    def filters(self, variable: str, step: int = -1) -> Picture:
        """The filters of a kernel; of one of more than 1 MB, its `norms`.

        Args:
            variable: its name, see `kernels`.
            step: one of `pictures["filters"][variable]`, or a place among them from -1 backwards.

        Raises:
            KeyError: there is no such variable or step; the message says what there is.
            ValueError: the stored bytes are damaged.
        """
        return self._picture("filters", variable, step)

    def inputs(self, step: int = -1, *, name: str | None = None) -> Picture:
        """The probe inputs that the feature maps of a step were computed from: they are logged when they change.

        Args:
            step: one of `steps`, or a place among them from -1 backwards.
            name: of the input; needed where there are several.

        Raises:
            KeyError: there is no such input or step, or there are several inputs and none is named.
            ValueError: the stored bytes are damaged.
        """
        known = self.pictures["inputs"]
        if name is None and len(known) > 1:
            raise MissingError(f"there are several inputs, so say which: name is one of {', '.join(map(quoted, known))}")
        steps = self._steps_of("inputs", next(iter(known), "input") if name is None else name)
        wanted = step_of(self.steps, step, "the run")
        before = steps[steps <= wanted]
        if not len(before):
            raise MissingError(f"at step {wanted} no probe input had been logged; the first one was at step {steps[0]}")
        return self._picture("inputs", name or next(iter(known)), int(before[-1]))

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the run, the headline first, then other causes, what they explain, and notes."""
        return self._diagnosis.findings

    def verdicts(self) -> tuple[Verdict, ...]:
        """What each variable does, in one word, in the order of the network."""
        return self._diagnosis.verdicts

    def __repr__(self) -> str:
        if "_read" not in self.__dict__:
            return described("Run", quoted(self.title), "not read yet")
        read = self._read
        pictures = f"{len(read.pictures):,} series of pictures"
        return described("Run", quoted(self.title), span(self.steps.tolist()), counted(len(self.layers), "layer"), pictures)

    def _repr_html_(self) -> str:
        maps = self.pictures["maps"]
        rows = (
            (layer.name, layer.kind or "", layer.activation or "", self.kernels.get(layer.name, ""), str(len(maps.get(layer.name, ()))))
            for layer in self.layers
        )
        parts = [self.title, span(self.steps.tolist()), counted(len(self.layers), "layer")]
        parts += [counted(len(self.problems), "problem")] if self.problems else []
        return html_table.table(
            ", ".join(parts), ("layer", "kind", "activation", "kernel", "steps with maps"), rows, len(self.layers), "layer"
        )

    @cached_property
    def _read(self) -> reading.Run:
        return self._source.run(self.name)

    @cached_property
    def _diagnosis(self) -> Diagnosis:
        return diagnose(self._read)

    def _steps_of(self, kind: PictureKind, name: str) -> Int64:
        check_name(name, f"a {_WHAT[kind]}")
        if name not in self.pictures[kind]:
            raise missing(_WHAT[kind], name, tuple(self.pictures[kind]))
        return self.pictures[kind][name]

    def _picture(self, kind: PictureKind, name: str, step: int) -> Picture:
        found = step_of(self._steps_of(kind, name), step, f"the series of {kind} of {quoted(name)}")
        try:
            blob = self._source.picture(self.name, kind, name, found)
        except MissingError:
            _say_damaged(kind, name, found)
        return Picture(kind, name, found, blob)


def _say_damaged(kind: str, name: str, step: int) -> NoReturn:
    what = f"the {kind} of {quoted(name)} at step {step}"
    raise MissingError(f"{what} were logged, but their record is damaged, or has been removed since the logdir was opened") from None


def as_read(run: Run) -> tuple[reading.Run, Source]:
    """The run as the reader gives it, and where its pictures come from: for other modules of this room."""
    return run._read, run._source
