"""What scans and runs say about an empty or thin tab, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tb_featuremap_plugin.doctor.scan import OURS, FileScan
from tb_featuremap_plugin.reading.places import Place
from tb_featuremap_plugin.reading.run import Run

OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"

_SHOWN = 3
_EXAMPLE = "with fm.Monitor(logdir) as monitor: monitor.log(step, activations=..., weights=...)"


@dataclass(frozen=True)
class Remark:
    """One thing that was found.

    Attributes:
        severity: "ok", "note", "warning" or "error".
        seen: what was found, and what follows from it.
        advice: what to do; "" if nothing need be done.
    """

    severity: str
    seen: str
    advice: str = ""


def on_empty_logdir(logdir: Place) -> Remark:
    """There is no event file anywhere in it."""
    what = "it holds other files only" if logdir.has_files() else "it is empty"
    return Remark(
        ERROR,
        f"No event file lies in or below {logdir}: {what}. Event files have `tfevents` in their names.",
        "Check that this is the folder that was given to the callback, Monitor or Writer, and that the run got as far as its first step",
    )


def on_foreign_files(scans: Sequence[FileScan]) -> Remark:
    """A run in which nothing is ours."""
    plugins = sorted({plugin for scan in scans for plugin in scan.series})
    if not plugins:
        return Remark(
            ERROR,
            "Its event files hold no summaries at all.",
            "Look whether the program failed before its first step, and whether it flushes",
        )
    return Remark(
        NOTE,
        f"It holds {', '.join(plugins)} only, and nothing that this plugin logs.",
        f"If it should: {_EXAMPLE}. fm.summary.* return False, and write nothing, where no default writer is set",
    )


def on_files(scans: Sequence[FileScan]) -> Iterator[Remark]:
    """Damage, cut-off files, steps that go back, several writers."""
    for scan in scans:
        yield from _on_damage(scan)
    backwards = sum((sum(scan.backwards.values()) for scan in scans), 0)
    if backwards:
        tags = sorted({tag for scan in scans for tag in scan.backwards})
        yield Remark(
            WARNING,
            f"Steps go back or repeat {backwards:,} times, in {_some(tags)}. Of points whose steps come again, only the latest are shown.",
            "Log each step once and in order; give every run a folder of its own",
        )
    yield from _on_writers([scan for scan in scans if scan.has_ours])


def _on_damage(scan: FileScan) -> Iterator[Remark]:
    if scan.damage:
        first, rest = scan.damage[0], len(scan.damage) - 1
        more = f" (and {rest:,} more)" if rest else ""
        yield Remark(
            ERROR,
            f"{scan.name} is damaged: {first}{more}.",
            "Copy the file again from where it was written; whole records were read",
        )
    elif scan.unread:
        yield Remark(
            NOTE,
            f"{scan.name} ends within a record ({scan.unread:,} bytes): it is being written right now, or the program was stopped there.",
        )
    elif scan.size == 0:
        yield Remark(WARNING, f"{scan.name} is empty.", "The program ended before anything was flushed, or the disk is full")


def _on_writers(ours: Sequence[FileScan]) -> Iterator[Remark]:
    if len(ours) < 2:
        return
    ordered = sorted(ours, key=lambda scan: scan.first_time)
    overlap = any(later.first_time < earlier.last_time for earlier, later in pairwise(ordered))
    if overlap:
        yield Remark(
            WARNING,
            f"{len(ours)} files were written at the same time. TensorBoard without its fast loader reads the newest of them only.",
            "Give every process or writer a folder of its own, or log from one process",
        )
    else:
        yield Remark(NOTE, f"{len(ours)} files, one after the other: the run was resumed.")


def on_run(run: Run, samples: dict[str, int]) -> Iterator[Remark]:
    """What a run that was read lacks, and what was lost before it was written."""
    yield from (Remark(ERROR, f"{problem.tag}: {problem.message}.".replace("..", ".")) for problem in run.problems)
    yield from _on_contents(run)
    yield from _on_drops(run)
    yield from _on_sampling(run, samples)
    yield from (Remark(NOTE, note) for note in (run.record.notes if run.record else ()))


def _on_contents(run: Run) -> Iterator[Remark]:
    kinds = {picture.kind for picture in run.pictures}
    steps = len(run.variables.steps) if run.variables is not None else 0
    if run.record is None:
        yield Remark(
            NOTE,
            "It has single calls only, so the order of layers, losses and the optimizer are not known.",
            "Use fm.Monitor, the Keras callback or fm.torch.watch for the whole tab",
        )
    if "maps" not in kinds:
        yield Remark(
            WARNING, "It has no feature maps, so that view is empty.", "Give the callback or watch a probe, or monitor.log activations"
        )
    if "filters" not in kinds:
        yield Remark(WARNING, "It has no filters, so that view is empty.", "Give monitor.log weights, or call filters")
    if steps == 0:
        yield Remark(WARNING, "It has no numbers of variables, so the view of weight change is empty.", "Give monitor.log weights")
    elif steps == 1:
        yield Remark(NOTE, "Only one step was logged, so nothing can be said of change.", "Log more often: every=10, say")
    if run.losses is None and run.record is not None:
        yield Remark(
            NOTE,
            "No loss was given, so whether the run learns is not known and findings are fewer.",
            "Give monitor.log or watcher.step the loss",
        )


def _on_drops(run: Run) -> Iterator[Remark]:
    if run.progress is None or not len(run.progress.steps):
        return
    dropped, stretch = (float(run.progress.column("run", column)[-1]) for column in ("dropped_records", "stretch"))
    if dropped > 0:
        yield Remark(
            WARNING,
            f"{dropped:,.0f} records were dropped while logging; why was said in a warning of the training, and is not stored here.",
            "Look for RuntimeWarning in its output: what could not be read, what came late, or a storage that was slow, full or gone",
        )
    if np.isfinite(stretch) and stretch > 1:
        yield Remark(
            NOTE,
            f"The time budget stretched the interval between logged steps {stretch:.0f} times.",
            "Raise max_overhead, or log fewer layers",
        )


def _on_sampling(run: Run, samples: dict[str, int]) -> Iterator[Remark]:
    most = max((len(picture.steps) for picture in run.pictures), default=0)
    numbers = max((len(table.steps) for table in (run.layers, run.variables) if table is not None), default=0)
    flags = [f"{name}={count}" for name, count in zip(OURS, (most, numbers), strict=True) if count > samples[name]]
    if flags:
        yield Remark(
            NOTE,
            f"TensorBoard keeps {samples[OURS[0]]:,} steps of pictures and {samples[OURS[1]]:,} of numbers; this run has {most:,} and "
            f"{numbers:,}. The rest is sampled away.",
            f"To see all: tensorboard --samples_per_plugin {','.join(flags)}",
        )


def _some(tags: Iterable[str]) -> str:
    listed = list(tags)
    rest = len(listed) - _SHOWN
    return ", ".join(listed[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
