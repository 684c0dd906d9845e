"""Runs from TensorBoard's data provider: the native data server, the Python loader and any other are equals.

Each call has its price (see `grpc_latency`), so a request makes few of them and makes those at once. What is kept between requests is
keyed by all that it depends on, and used only after a call with the caller's own context has listed or read it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from tensorboard import errors
from tensorboard.data.provider import DataProvider, RunTagFilter

from tb_featuremap_plugin.reading import assemble, run_names
from tb_featuremap_plugin.reading.cache import Cache
from tb_featuremap_plugin.reading.listing import ListedRun, fingerprint_of, is_sane, list_run
from tb_featuremap_plugin.reading.provider_calls import answer
from tb_featuremap_plugin.reading.raw_series import RawRun, RawSeries
from tb_featuremap_plugin.reading.run import MissingError, Outline, Points, Run, Source
from tb_featuremap_plugin.schema import limits, tags

T = TypeVar("T")

ALL_POINTS = 10**6
"""`downsample` of a data provider, where 0 means none: more than any sampling keeps."""

SCALARS = "scalars"
_WORKERS = 8
_CACHED_BYTES = 512 * 2**20
_CACHED_PAIRS = 200
_THINNED = (500, 200, 50)
_LARGE_TAGS = (tags.LAYERS_TAG, tags.VARIABLES_TAG, tags.LOSSES_TAG)


class Memory:
    """What one plugin keeps between requests, and the threads that make calls at once."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="featuremaps")
        self.outlines: Cache[Outline] = Cache(10_000, lambda _: 1)
        self.runs: Cache[Run] = Cache(_CACHED_BYTES, _run_bytes)
        self.listed: Cache[ListedRun] = Cache(10_000, lambda _: 1)
        self.derived: Cache[Any] = Cache(10_000, lambda _: 1)
        self.pairs: Cache[Any] = Cache(_CACHED_PAIRS, lambda _: 1)


class ProviderSource:
    """A `series.Source` for one request: what it has listed of all runs once is what it answers from.

    Args:
        provider: TensorBoard's data provider.
        context: the request's context, which carries who asks.
        experiment_id: of the request; may be empty.
        memory: what is kept between requests; without it the source keeps its own.
    """

    def __init__(self, provider: DataProvider, context: object, experiment_id: str, memory: Memory | None = None) -> None:
        self._provider = provider
        self._context = context
        self.experiment_id = experiment_id
        self._memory = memory or Memory()
        self._all: dict[str, ListedRun] = {}

    def outlines(self) -> Sequence[Outline]:
        """What there is of every run that holds something of ours, by natural sort of their titles."""
        return list(self._memory.pool.map(self._outline, self._everything()))

    def fingerprint(self) -> str:
        """Changes when anything of any run does."""
        return hashlib.blake2b("".join(listed.fingerprint for listed in self._everything()).encode(), digest_size=20).hexdigest()

    def outline(self, name: str) -> Outline:
        """What there is of one run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        return self._outline(self._only(name))

    def runs(self) -> Sequence[Run]:
        """All runs that hold something of ours, in the same order."""
        return [self._run(listed) for listed in self._everything()]

    def run(self, name: str) -> Run:
        """One run.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        return self._run(self._only(name))

    def derive(self, name: str, function: Callable[[Run], T]) -> T:
        """The value of a pure function of one run, computed again only when the run has changed.

        Raises:
            MissingError: there is no such run, or it holds nothing of ours.
        """
        listed = self._only(name)
        key = (self.experiment_id, name, function)
        value: T = self._memory.derived.get(key, lambda: function(self._run(listed)), listed.fingerprint)
        return value

    def derive_pair(self, a: str, b: str, function: Callable[[Run, Run, Source], T]) -> T:
        """As `derive`, of two runs and of where their pictures are."""
        first, second = self._only(a), self._only(b)
        key, version = (self.experiment_id, a, b, function), (first.fingerprint, second.fingerprint)
        value: T = self._memory.pairs.get(key, lambda: function(self._run(first), self._run(second), self), version)
        return value

    def picture(self, run: str, kind: str, name: str, step: int) -> bytes:
        """A stored picture's bytes, as they are.

        Raises:
            MissingError: there is no such picture (any more).
        """
        found = self._known_picture(run, kind, name, step)
        if found is None:
            found = self._read_blob(self._only(run).picture_key(kind, name, step))
        if found is None:
            raise MissingError(f"run {run!r} has no picture of kind {kind!r} named {name!r} at step {step}")
        return found

    def map_pictures(self, run: str, kind: str, name: str, steps: Iterable[int], function: Callable[[bytes], T]) -> list[T | None]:
        """Applies a pure function to pictures, None where one is gone or larger than is read.

        What is listed is listed here: a thread of the pool that waited for another one would wait for ever, once all of them did.
        """

        def one(key: str | None) -> T | None:
            blob = self._read_blob(key)
            return None if blob is None else function(blob)

        return list(self._memory.pool.map(one, self._picture_keys(run, kind, name, list(steps))))

    def scalar_names(self, run: str) -> Mapping[str, Sequence[str]]:
        """Names of the scalar series of this run and of its siblings, by run.

        Raises:
            MissingError: there is no such run.
        """
        self._only(run)
        known = self._provider.list_runs(self._context, experiment_id=self.experiment_id)
        siblings = run_names.Siblings(each.run_name for each in known).of(run)
        listed = self._list("list_scalars", SCALARS, RunTagFilter(runs=siblings))
        return run_names.sibling_scalars(siblings, lambda name: listed.get(name, ()))

    def scalar(self, run: str, tag: str) -> Points:
        """A scalar series of any run.

        Raises:
            MissingError: there is no such series.
        """
        only = RunTagFilter(runs=[run], tags=[tag])
        try:
            read = self._provider.read_scalars(
                self._context, experiment_id=self.experiment_id, plugin_name=SCALARS, downsample=ALL_POINTS, run_tag_filter=only
            )
            data = read[run][tag]
            return assemble.points([datum.step for datum in data], [datum.value for datum in data])
        except (ValueError, TypeError) as error:
            raise MissingError(f"the scalar {tag!r} of run {run!r} cannot be read: {error!s:.200}") from None
        except KeyError:
            raise MissingError(f"run {run!r} has no scalar {tag!r}") from None

    def _everything(self) -> Iterable[ListedRun]:
        self._all = self._all or {listed.name: listed for listed in self._listed(None)}
        return self._all.values()

    def _only(self, name: str) -> ListedRun:
        for listed in [self._all[name]] if name in self._all else self._listed([name]):
            return listed
        raise MissingError(f"there is no run {name!r} with anything of this plugin")

    def _outline(self, listed: ListedRun) -> Outline:
        def read() -> Outline:
            return assemble.outline(self._raw(listed, self._read_small(listed), sessions=1))

        return self._memory.outlines.get((self.experiment_id, listed.name), read, listed.fingerprint)

    def _run(self, listed: ListedRun) -> Run:
        def read() -> Run:
            return assemble.run(self._raw(listed, self._read_all(listed), limits.MAX_SESSIONS))

        return self._memory.runs.get((self.experiment_id, listed.name), read, listed.fingerprint)

    def _listed(self, runs: Sequence[str] | None) -> list[ListedRun]:
        only = RunTagFilter(runs=runs)
        tensors_to_come = self._memory.pool.submit(self._list, "list_tensors", tags.STATS_PLUGIN_NAME, only)
        blobs = self._list("list_blob_sequences", tags.PLUGIN_NAME, only)
        tensors = tensors_to_come.result()
        names = {run for listing in (blobs, tensors) for run, tags in listing.items() if tags}
        found = self._remembered({name: fingerprint_of(name, blobs.get(name, {}), tensors.get(name, {})) for name in names})
        changed = {name: blobs.get(name, {}) for name in names if name not in found}
        references = self._references(changed)
        for name in changed:
            found[name] = list_run(name, changed[name], references.get(name, {}), tensors.get(name, {}))
            self._memory.listed.put((self.experiment_id, name), found[name])
        return [found[name] for name in sorted(found, key=run_names.run_order)]

    def _remembered(self, fingerprints: Mapping[str, str]) -> dict[str, ListedRun]:
        """Runs in which nothing has been written since they were listed."""
        known = {name: self._memory.listed.peek((self.experiment_id, name)) for name in fingerprints}
        return {name: listed for name, listed in known.items() if listed is not None and listed.fingerprint == fingerprints[name]}

    def _list(self, call: str, plugin: str, only: RunTagFilter) -> Mapping[str, Mapping[str, Any]]:
        ask = functools.partial(getattr(self._provider, call), self._context, experiment_id=self.experiment_id, plugin_name=plugin)
        listing: Mapping[str, Mapping[str, Any]] = answer(lambda: ask(run_tag_filter=only))
        return listing

    def _references(self, blobs: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        """References of all sane blob sequences, in one call where no series lies about its length."""
        sane = {run: [tag for tag, series in tags.items() if is_sane(series)] for run, tags in blobs.items()}
        if all(len(sane[run]) == len(tags) for run, tags in blobs.items()):
            return self._read_references(RunTagFilter(runs=list(blobs))) if any(blobs.values()) else {}
        return {run: self._read_references(RunTagFilter(runs=[run], tags=tags)).get(run, {}) for run, tags in sane.items() if tags}

    def _read_references(self, only: RunTagFilter) -> Mapping[str, Mapping[str, Any]]:
        what = {"experiment_id": self.experiment_id, "plugin_name": tags.PLUGIN_NAME, "downsample": ALL_POINTS, "run_tag_filter": only}
        references: Mapping[str, Mapping[str, Any]] = answer(lambda: self._provider.read_blob_sequences(self._context, **what))
        return references

    def _read_small(self, listed: ListedRun) -> Mapping[str, RawSeries]:
        """The numbers that an outline needs: everything but the packed tables, where the progress of the run says its steps."""
        large = _LARGE_TAGS if tags.PROGRESS_TAG in listed.tensors else (tags.LOSSES_TAG,)
        return self._read_tensors(listed, [tag for tag in listed.tensors if tag not in large])

    def _read_all(self, listed: ListedRun) -> Mapping[str, RawSeries]:
        large = [[tag] for tag in _LARGE_TAGS if tag in listed.tensors]
        small = [tag for tag in listed.tensors if tag not in _LARGE_TAGS]
        read: dict[str, RawSeries] = {}
        for part in self._memory.pool.map(lambda tags: self._read_tensors(listed, tags), [small, *large]):
            read.update(part)
        return read

    def _read_tensors(self, listed: ListedRun, tags: Sequence[str]) -> dict[str, RawSeries]:
        """Reads series at once, and tag by tag where one of them makes the whole read fail."""
        if not tags:
            return {}
        try:
            return answer(lambda: self._read_at_once(listed, tags, ALL_POINTS))
        except Exception as error:
            if len(tags) > 1:
                return {tag: series for one in tags for tag, series in self._read_tensors(listed, [one]).items()}
            return self._read_thinned(listed, tags[0], error)

    def _read_thinned(self, listed: ListedRun, tag: str, error: Exception) -> dict[str, RawSeries]:
        """Fewer steps of a series that does not fit into one answer of the native server; nothing of one that is damaged."""
        status = _grpc_status(error)
        if status is None:
            listed.problems.add(tag, f"a tensor of the series is damaged: {error!s:.200}")
            return {}
        for downsample in _THINNED if status == "RESOURCE_EXHAUSTED" else ():
            try:
                read = self._read_at_once(listed, [tag], downsample)
            except Exception as again:
                error = again
                continue
            listed.problems.add(tag, f"the series is too large for one answer of the data server; {downsample} steps of it are shown")
            return read
        raise error

    def _read_at_once(self, listed: ListedRun, wanted: Sequence[str], downsample: int) -> dict[str, RawSeries]:
        read = self._provider.read_tensors(
            self._context,
            experiment_id=self.experiment_id,
            plugin_name=tags.STATS_PLUGIN_NAME,
            downsample=downsample,
            run_tag_filter=RunTagFilter(runs=[listed.name], tags=list(wanted)),
        )
        return {tag: _with_values(listed.tensors[tag], data) for tag, data in read.get(listed.name, {}).items() if tag in listed.tensors}

    def _raw(self, listed: ListedRun, read: Mapping[str, RawSeries], sessions: int) -> RawRun:
        tensors = {**listed.tensors, **read}
        standing = assemble.standing_records(listed.blobs.get(tags.RUN_TAG), tensors.get(tags.START_TAG))[-sessions:]
        records = [self._record(listed, index) for _, index in standing]
        earlier = assemble.earlier_records(standing, records)
        return RawRun(listed.name, listed.blobs, tensors, records[-1] if records else None, earlier, listed.problems.all())

    def _record(self, listed: ListedRun, index: int) -> bytes | None:
        step = listed.blobs[tags.RUN_TAG].steps[index]
        record = self._read_blob(listed.keys[tags.RUN_TAG].get(step))
        if record is None:
            listed.problems.add(tags.RUN_TAG, f"TensorBoard lists the run record of step {step}, but does not give it out")
        return record

    def _known_picture(self, run: str, kind: str, name: str, step: int) -> bytes | None:
        """A picture that was listed by an earlier request: the provider itself checks who may read it, and whether it is still there."""
        listed = self._memory.listed.peek((self.experiment_id, run))
        return self._read_blob(listed.picture_key(kind, name, step)) if listed else None

    def _picture_keys(self, run: str, kind: str, name: str, steps: Sequence[int]) -> list[str | None]:
        """What `read_blob` asks for at each step; looks the run up again, once, where an earlier request did not list all of them."""
        listed = self._memory.listed.peek((self.experiment_id, run))
        keys = [listed.picture_key(kind, name, step) if listed else None for step in steps]
        if None not in keys:
            return keys
        try:
            listed = self._only(run)
        except MissingError:
            return [None for _ in steps]
        return [listed.picture_key(kind, name, step) for step in steps]

    def _read_blob(self, key: str | None) -> bytes | None:
        if key is None:
            return None
        try:
            blob = self._provider.read_blob(self._context, blob_key=key)
        except (errors.NotFoundError, errors.InvalidArgumentError, LookupError, ValueError, TypeError):
            return None  # It is gone; or damaged; or its name holds a quote, and the native server cannot read its own key.
        return blob if isinstance(blob, bytes) and len(blob) <= limits.MAX_BLOB_BYTES else None


def _with_values(series: RawSeries, data: Sequence[Any]) -> RawSeries:
    return replace(
        series,
        steps=[datum.step for datum in data],
        wall_times=[datum.wall_time for datum in data],
        values=[np.asarray(datum.numpy) for datum in data],
    )


def _grpc_status(error: Exception) -> str | None:
    """Name of a gRPC error's status; None for other errors. Not every provider needs gRPC, so it is not imported here."""
    code = getattr(error, "code", None)
    return getattr(code(), "name", "UNKNOWN") if callable(code) else None


def _run_bytes(run: Run) -> int:
    tables = [table for table in (run.layers, run.variables, run.progress) if table is not None]
    return 10_000 + sum(table.values.nbytes for table in tables) + (16 * len(run.losses.steps) if run.losses else 0)
