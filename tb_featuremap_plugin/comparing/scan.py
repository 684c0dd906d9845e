"""Goes through the steps that two runs have in common until something parts beyond noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tb_featuremap_plugin.comparing.columns import Aligned, align, values_at
from tb_featuremap_plugin.comparing.comparison import LEARNING_RATE, LOSS, OUTPUT, WEIGHTS, Difference
from tb_featuremap_plugin.comparing.entries import Apart, Pictures
from tb_featuremap_plugin.comparing.noise import GROWTH, UPDATES, Noise, divides
from tb_featuremap_plugin.comparing.sites import LAYERS, VARIABLES, Pair, Site, probe_step
from tb_featuremap_plugin.reading.run import Points, Run

_SMALL_LOSS = 0.01
"""A loss below this share of the largest is measured by that: near 0 it is a difference of large numbers, and all noise."""

_SAME_RATE = 1e-6

_REPEATED = 3
"""After so many steps that agree bit for bit, a training counts as one that repeats exactly."""

_PROGRESS_ROW = "run"


@dataclass(frozen=True)
class Parted:
    """Something that differs at a step, beyond noise or not.

    Attributes:
        what: "weights", "output", "loss" or "learning rate".
        site: which variable or layer; None for the run as a whole.
        number: the number that differs most.
        body: how far apart most of its entries lie, over its size.
        updates: the largest difference over the largest update of this step, of the run that took the smaller one; NaN if not known.
        moved: whether it changed in this step, in a and in b; None where that is not known.
        cosine: between both values; NaN where that is not known.
        entries: how many of its entries differ; None where that is not known.
    """

    what: str
    site: Site | None
    number: Difference
    body: float
    updates: float = math.nan
    moved: tuple[bool, bool] | None = None
    cosine: float = math.nan
    entries: int | None = None

    @property
    def relative(self) -> float:
        """The difference over the size."""
        return self.number.difference

    @property
    def is_kernel(self) -> bool:
        """Whether it is a kernel."""
        return self.site is not None and self.site.is_kernel

    @property
    def stays(self) -> str | None:
        """The run in which it stays while it moves in the other; None if there is none."""
        return None if self.moved is None or self.moved[0] == self.moved[1] else "ab"[self.moved[0]]


class Scan:
    """Two runs, step by step.

    Args:
        pair: the runs.
        pictures: of both.
    """

    def __init__(self, pair: Pair, pictures: Pictures) -> None:
        self.pair = pair
        self.noise, self._before = Noise(), Noise()
        self._noise_of = {WEIGHTS: Noise(), LOSS: Noise()}
        self._drifted: dict[str, float] = {}
        self.checked: list[int] = []
        self._pictures = pictures
        self._tables = {name: align(pair, name) for name in (VARIABLES, LAYERS)}
        self._losses = (_by_step(pair.a.losses), _by_step(pair.b.losses))
        self._other_probe = probe_step(pair)

    @cached_property
    def logged(self) -> tuple[int, ...]:
        """The steps at which both runs logged a table."""
        return tuple(sorted({step for table in self._tables.values() if table is not None for step in table.steps}))

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The same, and those of which both know the loss."""
        return tuple(sorted({*self.logged, *(self._losses[0].keys() & self._losses[1].keys())}))

    def first(self) -> tuple[int, list[Parted]] | None:
        """The first step at which something parts, and all that does; None where nothing does."""
        for step in self.steps:
            self._before = replace(self.noise)
            found = [*self._rate(step), *self._loss(step), *self._variables(step), *self._outputs(step)]
            if found:
                self.noise = self._before
                return step, found
            self.checked.append(step)
            self.noise.seen = self._noise_of[LOSS].seen = step
        return None

    def knows_loss(self, step: int) -> bool:
        """Whether both runs know the loss of a step."""
        return all(step in losses for losses in self._losses)

    def moving_kernels(self, step: int) -> int:
        """How many kernels change in this step in either run; all where that is not known."""
        moved = [_moved(self.pair, step, site.row) for site in self.pair.kernels]
        return sum(one is None or any(one) for one in moved)

    def variables_at(self, step: int) -> list[Parted]:
        """How far the variables of both runs lie apart at a step."""
        table = self._tables[VARIABLES]
        sites = [site for site in self.pair.shared if site.table == VARIABLES]
        found = [self._variable(table, site, step) for site in sites] if table else []
        return [one for one in found if one is not None]

    @property
    def unseen(self) -> list[str]:
        """The kernels of which not every entry was compared at every step."""
        return [site.row for site in self.pair.kernels if site.row in self._pictures.unseen]

    def channels_of(self, step: int, parted: Parted) -> Apart | None:
        """The channel of an output that differs most."""
        table, row = self._tables[LAYERS], parted.number.row
        return self._pictures.channels(row, step, table.size(step, row)) if table else None

    def _rate(self, step: int) -> Iterator[Parted]:
        a, b = (values_at(run.progress, step, _PROGRESS_ROW, ["learning_rate"])[0] for run in (self.pair.a, self.pair.b))
        if not (math.isnan(a) or math.isnan(b)) and abs(a - b) > _SAME_RATE * max(abs(a), abs(b)):
            relative = abs(a - b) / max(abs(a), abs(b))
            number = Difference(step, "progress", _PROGRESS_ROW, "learning_rate", None, a, b, relative)
            yield Parted(LEARNING_RATE, None, number, relative)

    def _loss(self, step: int) -> Iterator[Parted]:
        if not self.knows_loss(step):
            return
        a, b = (losses[step] for losses in self._losses)
        relative = _apart(a, b, max(abs(a), abs(b), _SMALL_LOSS * self._largest_loss))
        if relative > max(noise.threshold(step, self._widest) for noise in self._noise_of.values()):
            yield Parted(LOSS, None, Difference(step, "losses", "loss", "loss", None, a, b, relative), relative)
        else:
            self.noise.accept(relative, step, "loss")
            self._noise_of[LOSS].accept(relative, step, "loss")

    def _variables(self, step: int) -> Iterator[Parted]:
        found = self.variables_at(step)
        exact = self._is_exact(step)
        quiet = exact and 2 * sum(one.relative > 0 for one in found) < len(found)
        own = self._noise_of[WEIGHTS]
        thresholds = {one.number.row: own.threshold(step, self._epsilon(one.number.row), quiet=quiet) for one in found}
        beyond = [one for one in found if one.relative > thresholds[one.number.row]]
        strict = exact or not self._divides
        parted = [one for one in beyond if strict or not self._is_excused(one, thresholds[one.number.row], step - (own.seen or 0))]
        yield from parted
        if parted or not found:
            return
        own.seen = step
        for one in found:
            self.noise.accept(one.relative, step, one.number.row)
            own.accept(one.relative if one not in beyond else one.body if one.is_kernel else 0.0, step, one.number.row)
        self._drifted |= {one.number.row: max(one.relative, self._drifted.get(one.number.row, 0.0)) for one in beyond}

    def _is_excused(self, one: Parted, threshold: float, gap: int) -> bool:
        """Whether a variable that differs by more than noise may be one of which an optimizer makes whole updates of noise.

        Single entries and small variables are, which go further apart by a few updates a step, or by as much as noise grows from where
        they were; a kernel has parted where most of its entries have.
        """
        if one.stays or not math.isfinite(one.relative) or (one.is_kernel and one.body > threshold):
            return False
        before = self._drifted.get(one.number.row, 0.0)
        return one.relative <= GROWTH * before or one.updates <= UPDATES * max(1, gap)

    def _outputs(self, step: int) -> Iterator[Parted]:
        table = self._tables[LAYERS]
        if table is None or (self._other_probe is not None and step >= self._other_probe):
            return
        for site in self.pair.shared:
            worst = table.worst(step, site.row) if site.table == LAYERS else None
            if worst is None:
                continue
            column, a, b, relative, body = worst
            if relative > self.noise.threshold(step, self._widest):
                yield Parted(OUTPUT, site, Difference(step, LAYERS, site.row, column, None, a, b, relative), body)
            else:
                self.noise.accept(relative, step, site.row)

    def _variable(self, table: Aligned, site: Site, step: int) -> Parted | None:
        worst = table.worst(step, site.row)
        if worst is None:
            return None
        column, a, b, relative, body = worst
        number = Difference(step, VARIABLES, site.row, column, None, a, b, relative)
        apart = self._pictures.kernels(site.row, step)
        if apart is not None:
            body = max(body if apart.entries is None else 0.0, apart.body)
            if apart.largest >= relative or apart.entries is not None:
                number = Difference(step, "filters", site.row, apart.column, apart.channel, apart.a, apart.b, apart.largest)
        cosine, entries = (apart.cosine, apart.entries) if apart else (math.nan, None)
        if number.difference == 0:
            return Parted(WEIGHTS, site, number, body, cosine=cosine, entries=entries)
        updates = number.difference * table.size(step, site.row) / self._smaller_update(step, site.row)
        return Parted(WEIGHTS, site, number, body, updates, _moved(self.pair, step, site.row), cosine, entries)

    def _smaller_update(self, step: int, row: str) -> float:
        """The largest update of an entry, of the run in which it is smaller; NaN where nothing moved, or that is not known."""
        largest = [values_at(run.variables, step, row, ["update_max"])[0] for run in (self.pair.a, self.pair.b)]
        return min((one for one in largest if one > 0), default=math.nan)

    def _is_exact(self, step: int) -> bool:
        """Whether noise would have shown by now: at the start, or where the runs have agreed bit for bit over some updates."""
        return self._before.level == 0 and (step == 0 or sum(checked > 0 for checked in self.checked) >= _REPEATED)

    @cached_property
    def _divides(self) -> bool:
        return any(divides(record.optimizer) for record in self.pair.records)

    @cached_property
    def _largest_loss(self) -> float:
        known = [abs(loss) for losses in self._losses for loss in losses.values() if math.isfinite(loss)]
        return max(known, default=0.0)

    @cached_property
    def _epsilons(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for run in (self.pair.a, self.pair.b):
            for row in run.variables.rows if run.variables is not None else ():
                spacings = run.variables.column(row, "epsilon") if run.variables is not None else np.empty(0)
                spacings = spacings[(spacings > 0) & (spacings < 1)]
                found[row] = max(found.get(row, 0.0), float(spacings.max(initial=0.0)))
        return found

    @cached_property
    def _widest(self) -> float:
        return max(self._epsilons.values(), default=0.0)

    def _epsilon(self, row: str) -> float:
        return self._epsilons.get(row, 0.0)


def _apart(a: float, b: float, size: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) / size if math.isfinite(a) and math.isfinite(b) else math.inf


def _moved(pair: Pair, step: int, row: str) -> tuple[bool, bool] | None:
    """Whether a variable changed in the update before this step, in a and in b; None where one of them does not know."""
    first, second = (_update(run, step, row) for run in (pair.a, pair.b))
    return None if math.isnan(first) or math.isnan(second) else (first > 0, second > 0)


def _update(run: Run, step: int, row: str) -> float:
    return values_at(run.variables, step, row, ["update_norm"])[0]


def _by_step(losses: Points | None) -> dict[int, float]:
    return {} if losses is None else dict(zip(losses.steps.tolist(), losses.values.tolist(), strict=True))
