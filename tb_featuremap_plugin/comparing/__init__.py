"""Where two runs part first, beyond what noise explains: two runs in, a `Comparison` out. docs/comparing.md says how."""

from __future__ import annotations

from dataclasses import replace

from tb_featuremap_plugin.comparing import starts, words
from tb_featuremap_plugin.comparing.causes import Cause, cause, starts_differ
from tb_featuremap_plugin.comparing.comparison import (
    DTYPE,
    HEADS,
    INPUTS,
    LEARNING_RATE,
    LOSS,
    LOSS_NAME,
    MISSING,
    NOT_COMPARABLE,
    OPTIMIZER,
    OTHER_STARTS,
    OUTPUT,
    REPORT_VERSION,
    SHAPE,
    THE_SAME,
    WEIGHTS,
    Comparison,
    Difference,
)
from tb_featuremap_plugin.comparing.entries import Pictures
from tb_featuremap_plugin.comparing.scan import Parted, Scan
from tb_featuremap_plugin.comparing.sites import Pair, Site, probe_step
from tb_featuremap_plugin.reading.run import Run, Source

__all__ = ["HEADS", "REPORT_VERSION", "Comparison", "Difference", "compare"]

_MOST_ROWS = 200


def compare(a: Run, b: Run, pictures_a: Source | None = None, pictures_b: Source | None = None) -> Comparison:
    """Says at which step, in which layer and in which channel two runs part first.

    Args:
        a, b: as a reader gives them.
        pictures_a, pictures_b: where their pictures are. Without them only the tables are compared: a single weight of many is then not
            seen, and no channel is named.

    Returns:
        That they are the same, where they part, that they start differently, or that they cannot be compared.
    """
    pair = Pair(a, b)
    scan = Scan(pair, Pictures(a, b, pictures_a, pictures_b))
    found = _reason(pair, scan) or _compared(pair, scan)
    return replace(found, a=a.title, b=b.title)


def _reason(pair: Pair, scan: Scan) -> Comparison | None:
    """Why two runs cannot be compared."""
    reason = None
    if not pair.sites and not scan.steps:
        reason = "neither run holds tables of layers or variables"
    elif not pair.shared and not scan.steps:
        reason = "no layer and no variable is in both"
    elif not scan.steps:
        reason = "no step was logged by both"
    kind = f"{NOT_COMPARABLE}: {reason}"
    return Comparison(False, kind, f"The runs are {kind}.", notes=tuple(words.missing(pair.missing))) if reason else None


def _compared(pair: Pair, scan: Scan) -> Comparison:
    notes = (*words.schedules(pair, scan), *words.missing(pair.missing), *words.named_otherwise(pair))
    first = scan.first()
    if first is not None and starts_differ(scan, *first):
        return _different_starts(pair, *first, notes)
    parted = _parted(pair, scan, *first) if first is not None else None
    told = _told(pair, scan, parted)
    if told is not None:
        return replace(told, notes=notes)
    if parted is not None:
        return replace(parted, notes=notes)
    return Comparison(True, THE_SAME, words.agreement(scan), notes=(*notes, *words.by_statistics(scan)))


def _different_starts(pair: Pair, step: int, found: list[Parted], notes: tuple[str, ...]) -> Comparison:
    kernels = [one for one in found if one.is_kernel]
    sentences, rows = starts.beyond(pair)
    text = (
        f"The runs start differently, as two seeds do: {words.count(len(kernels), 'kernel')} of {len(pair.kernels)} "
        f"{'has' if len(kernels) == 1 else 'have'} nothing in common at step {step:,}, so there is no step at which they part."
    )
    beyond = " ".join(["Beyond that:", *sentences]) if sentences else "Beyond that, nothing plain differs."
    return Comparison(False, OTHER_STARTS, f"{text} {beyond}", rows=tuple(rows[:_MOST_ROWS]), notes=notes)


def _parted(pair: Pair, scan: Scan, step: int, found: list[Parted]) -> Comparison:
    why = cause(scan, step, found)
    ordered = [why.parted, *(one for one in found if one is not why.parted)]
    rows = tuple(one.number for one in ordered[:_MOST_ROWS])
    variable = why.parted.number.row if why.what == WEIGHTS and why.layer is not None else None
    if why.what == WEIGHTS and why.how not in ("at once", "scaled"):
        variable = why.parted.number.row
    channel = why.parted.number.channel if variable is not None else None
    if why.what == OUTPUT and (apart := scan.channels_of(step, why.parted)) is not None:
        channel = apart.channel
        exact = Difference(step, "maps", why.parted.number.row, apart.column, channel, apart.a, apart.b, apart.largest)
        rows = (rows[0], exact, *rows[1:])
    message = words.parting(scan, step, found, why)
    message += "" if why.what != OUTPUT or channel is None else f" The channel that differs most is {channel}."
    what = _blamed(pair, why)
    return Comparison(False, f"part at step {step}", message, step, why.layer, variable, channel, what, rows)


def _blamed(pair: Pair, why: Cause) -> str:
    """What parts; where everything does at once, an optimizer or a loss that is named otherwise is the cause."""
    first, second = pair.records
    if why.how == "at once" or why.what in (LOSS, LEARNING_RATE):
        for what, a, b in ((OPTIMIZER, first.optimizer, second.optimizer), (LOSS_NAME, first.loss, second.loss)):
            if a is not None and b is not None and a != b:
                return what
    return why.what


def _told(pair: Pair, scan: Scan, parted: Comparison | None) -> Comparison | None:
    """What the runs themselves say that they differ in, where that comes before what their numbers show; None where it does not."""
    first = scan.steps[0]
    then = "No number parts." if parted is None else parted.message.replace("The runs part", "Their numbers part", 1)
    for site, shapes in pair.reshaped.items():
        return _said(first, SHAPE, site, f"`{site.row}` has the shape {list(shapes[0])} in a and {list(shapes[1])} in b.", then, parted)
    retyped = list(pair.retyped.items())
    if retyped:
        site, (a, b) = retyped[0]
        more = f" ({words.count(len(retyped) - 1, 'other variable')} likewise)" if len(retyped) > 1 else ""
        everywhere = len(retyped) == sum(one.table == site.table for one in pair.shared) and len(retyped) > 2
        told = f"`{site.row}` has the dtype {a} in a and {b} in b{more}."
        return _said(first, DTYPE, None if everywhere else site, told, then, parted)
    probe = probe_step(pair)
    if probe is not None and (parted is None or parted.step is None or probe <= parted.step):
        told = "The probe inputs are not the same, so outputs were not compared from there on."
        return _said(max(probe, first), INPUTS, None, told, then, parted)
    if pair.missing and parted is not None and parted.step is not None and parted.step in scan.steps[:2]:
        site, run = next(iter(pair.missing.items()))
        return _said(first, MISSING, site, f"`{site.row}` was logged in {run} alone.", then, parted)
    return None


def _said(step: int, what: str, site: Site | None, told: str, then: str, parted: Comparison | None) -> Comparison:
    layer = site.layer if site is not None else None
    variable = site.row if site is not None and site.table == "variables" else None
    message = f"The runs part at step {step:,}: {told} {then}"
    return Comparison(False, f"part at step {step}", message, step, layer, variable, None, what, parted.rows if parted else ())
