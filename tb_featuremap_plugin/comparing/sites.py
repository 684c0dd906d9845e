"""What two runs have in common: the variables and layers of both in the order of the network, and what only one has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from tb_featuremap_plugin.reading.run import Run, Table
from tb_featuremap_plugin.schema import layer_kinds
from tb_featuremap_plugin.schema.columns import INPUTS_ROW, TARGETS_ROW
from tb_featuremap_plugin.schema.network import Layer, RunRecord

VARIABLES, LAYERS = "variables", "layers"


@dataclass(frozen=True)
class Site:
    """A row of a table.

    Attributes:
        table: "variables" or "layers".
        row: its name.
        layer: the layer that it belongs to; None if unknown.
        is_kernel: whether it is a variable that multiplies what its layer gets.
        is_state: whether it is a moving statistic or the like, which the training does not change.
    """

    table: str
    row: str
    layer: str | None
    is_kernel: bool = False
    is_state: bool = False


@dataclass(frozen=True)
class Pair:
    """Two runs, side by side."""

    a: Run
    b: Run

    @cached_property
    def records(self) -> tuple[RunRecord, RunRecord]:
        """What each says of itself; empty where nothing was said."""
        return self.a.record or RunRecord(), self.b.record or RunRecord()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All that is known of layers, in the order of the network: those of run a, then what only b has."""
        first, second = self.records
        known = {layer.name for layer in first.layers}
        return (*first.layers, *(layer for layer in second.layers if layer.name not in known))

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Rows of either run: of each layer its variables, then its output; what belongs to no known layer comes first."""
        variables, outputs = _rows(self.a.variables, self.b.variables), _rows(self.a.layers, self.b.layers)
        owned = [self._variable(name, layer) for layer in self.layers for name in (*layer.weights, *layer.state)]
        owners = {site.row: site.layer for site in reversed(owned)}
        ordered = [self._variable(name, None) for name in variables if name not in owners]
        for layer in self.layers:
            ordered += [self._variable(name, layer) for name in (*layer.weights, *layer.state) if owners[name] == layer.name]
            ordered.append(Site(LAYERS, layer.name, layer.name))
        named = {layer.name for layer in self.layers}
        ordered += [Site(LAYERS, name, name) for name in outputs if name not in named]
        logged = {(VARIABLES, name) for name in variables} | {(LAYERS, name) for name in outputs}
        return tuple(dict.fromkeys(site for site in ordered if (site.table, site.row) in logged))

    @cached_property
    def kernels(self) -> tuple[Site, ...]:
        """The kernels that both runs logged, in the same shape."""
        return tuple(site for site in self.shared if site.is_kernel)

    @cached_property
    def shared(self) -> tuple[Site, ...]:
        """The sites that both runs logged, in the same shape."""
        return tuple(site for site in self.sites if site not in self.missing and site not in self.reshaped)

    @cached_property
    def missing(self) -> dict[Site, str]:
        """The sites that only one run logged, and which: "a" or "b"."""
        found = {}
        for site in self.sites:
            held = [run for run, table in (("a", _table(self.a, site.table)), ("b", _table(self.b, site.table))) if _has(table, site.row)]
            if len(held) == 1:
                found[site] = held[0]
        return found

    @cached_property
    def reshaped(self) -> dict[Site, tuple[tuple[int, ...], tuple[int, ...]]]:
        """The variables whose shape differs, and their shapes."""
        shapes = [record.variable_shapes for record in self.records]
        found = {}
        for site in self.sites:
            first, second = (tuple(known.get(site.row, ())) for known in shapes)
            if site.table == VARIABLES and first and second and first != second:
                found[site] = (first, second)
        return found

    @cached_property
    def retyped(self) -> dict[Site, tuple[str, str]]:
        """The shared variables whose dtype differs, and their dtypes."""
        dtypes = [record.variable_dtypes for record in self.records]
        found = {}
        for site in self.shared:
            first, second = (known.get(site.row) for known in dtypes)
            if site.table == VARIABLES and first and second and first != second:
                found[site] = (first, second)
        return found

    def rank(self, table: str, row: str) -> int:
        """The place of a row in the order of the network; past the end for what has none."""
        return self._ranks.get((table, row), len(self._ranks))

    @cached_property
    def _ranks(self) -> dict[tuple[str, str], int]:
        return {(site.table, site.row): rank for rank, site in enumerate(self.sites)}

    def _variable(self, name: str, layer: Layer | None) -> Site:
        shape = next((record.variable_shapes[name] for record in self.records if name in record.variable_shapes), None)
        is_state = layer is not None and name in layer.state
        is_kernel = not is_state and layer_kinds.multiplies(name, shape, layer)
        return Site(VARIABLES, name, layer.name if layer else None, is_kernel, is_state)


def probe_step(pair: Pair) -> int | None:
    """The first step from which the probe inputs of both runs are not the same; None if they are, or that is not known."""
    histories = [{probe.step: probe.digest for probe in record.probes} for record in pair.records]
    if not all(histories):
        return None
    for step in sorted(set(histories[0]) | set(histories[1])):
        current = [_latest(history, step) for history in histories]
        if None not in current and current[0] != current[1]:
            return step
    return None


def _latest(history: dict[int, str], step: int) -> str | None:
    known = [at for at in history if at <= step]
    return history[max(known)] if known else None


def _table(run: Run, table: str) -> Table | None:
    return run.variables if table == VARIABLES else run.layers


def _has(table: Table | None, row: str) -> bool:
    return table is not None and row in table.rows


def _rows(*tables: Table | None) -> list[str]:
    names: Iterable[str] = (row for table in tables if table is not None for row in table.rows)
    return list(dict.fromkeys(name for name in names if name not in (INPUTS_ROW, TARGETS_ROW)))
