"""What a data provider lists of a run, before anything is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tensorboard.data.provider import BlobSequenceTimeSeries

from tb_featuremap_plugin.reading.raw_series import Problems, RawSeries, as_written
from tb_featuremap_plugin.schema import limits, tags


@dataclass(frozen=True)
class ListedRun:
    """What a provider lists of one run.

    Attributes:
        blobs: by tag, pictures and run records, in the order in which they were written.
        keys: by tag and step, what `read_blob` asks for.
        tensors: by tag, series of numbers that have not been read.
        fingerprint: changes when anything of the run does.
        problems: what could not be listed.
    """

    name: str
    blobs: Mapping[str, RawSeries]
    keys: Mapping[str, Mapping[int, str]]
    tensors: Mapping[str, RawSeries]
    fingerprint: str
    problems: Problems

    def picture_key(self, kind: str, name: str, step: int) -> str | None:
        """What `read_blob` asks for; of the copy of the first picture where the series itself lost it."""
        own, first = tags.picture_tag(kind, name), tags.picture_tag(kind, name, first=True)
        return self.keys.get(own, {}).get(step) or self.keys.get(first, {}).get(step)


def fingerprint_of(name: str, blobs: Mapping[str, Any], tensors: Mapping[str, Any]) -> str:
    """Changes when anything of the run does: whatever a loader keeps or drops, it does when it meets a new event."""
    series = blobs if not tensors else {**blobs, **tensors}  # no tag is in both: a series has one class of data
    facts = [(tag, series[tag].plugin_content, series[tag].max_step, series[tag].max_wall_time) for tag in sorted(series)]
    return hashlib.blake2b(repr((name, facts)).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def list_run(name: str, blobs: Mapping[str, Any], references: Mapping[str, Any], tensors: Mapping[str, Any]) -> ListedRun:
    """What is known of a run.

    Args:
        name: of the run.
        blobs, tensors: by tag, what the provider lists of it.
        references: by tag, references of its blobs.
    """
    problems = Problems(name)
    trusted = tags.START_TAG in tensors
    for tag, listed in blobs.items():
        if not is_sane(listed):
            problems.add(tag, f"it claims {listed.max_length} blobs at one step; a picture is one")
    return ListedRun(
        name,
        {tag: _blob_series(listed.plugin_content, references.get(tag, ()), trusted) for tag, listed in blobs.items()},
        {tag: _keys(data) for tag, data in references.items()},
        {tag: RawSeries(listed.plugin_content, (), ()) for tag, listed in tensors.items()},
        fingerprint_of(name, blobs, tensors),
        problems,
    )


def _blob_series(content: bytes, data: Sequence[Any], trusted: bool) -> RawSeries:
    """The points of a blob sequence. The Python loader sorts them by step, so what was written when is told by wall times alone.

    Where the run has start markers, both loaders have dropped what was written again, and their order is right whatever the clock did.
    """
    usable = [datum for datum in data if datum.values]
    steps, wall_times = [datum.step for datum in usable], [datum.wall_time for datum in usable]
    if trusted:
        return RawSeries(content, steps, wall_times)
    order = as_written(wall_times)
    return RawSeries(content, [steps[index] for index in order], [wall_times[index] for index in order])


def _keys(data: Iterable[Any]) -> dict[int, str]:
    return {datum.step: datum.values[0].blob_key for datum in data if datum.values}


def is_sane(series: BlobSequenceTimeSeries) -> bool:
    """Whether references can be made without counting to what a damaged shape claims."""
    return series.max_length is None or 0 <= series.max_length <= limits.MAX_BLOBS_PER_STEP
