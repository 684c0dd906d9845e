"""A writer of our own: no TensorFlow, native checksums, and the training loop pays for a copy of its arrays only."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.arrays import tensors
from tb_featuremap_plugin.arrays.numbers import whole_number
from tb_featuremap_plugin.arrays.snapshot_pool import SnapshotPool
from tb_featuremap_plugin.format.values import Value, encoded
from tb_featuremap_plugin.images.options import FilterKeywords, FilterOptions, MapKeywords, MapOptions
from tb_featuremap_plugin.recording import shortfall, storage
from tb_featuremap_plugin.recording.background import Background
from tb_featuremap_plugin.recording.eventlog import NOTHING, EventLog
from tb_featuremap_plugin.recording.keywords import options_of, takes
from tb_featuremap_plugin.recording.requests import FeatureMapsRequest, FiltersRequest, WeightChangeRequest, WeightKeywords, WeightOptions
from tb_featuremap_plugin.recording.shortfall import Shortfall
from tb_featuremap_plugin.schema import limits
from tb_featuremap_plugin.schema.one_line import described, quoted_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

Build = Callable[[], Sequence[Value | Summary.Value]]

MAX_QUEUE_BYTES = 256 << 20

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Writes into one folder, as a SummaryWriter does; may be used from many threads, and as a context manager.

    A folder that holds an earlier session is resumed: from its first step on, the new one replaces what the other wrote. A session that
    would leave next to nothing of it, and one that writes what another writer is writing there, goes to a folder `session_2` (or 3, ...)
    inside; a warning says so.

    What fails behind the training loop (a full disk, a lost mount) is counted and said in one warning, at the next call.

    Args:
        logdir: a local path, or `scheme://` for fsspec or TensorFlow's gfile.
        max_queue_bytes: bytes of copied arrays that may wait to be written. A full queue holds the loop for at most 60 s, then the
            record is dropped, counted in `dropped` and said in one warning.
        max_bytes: size that this writer's files may reach; then pictures are dropped, and at twice that size numbers too.
        strict: raise at the next call what failed, instead of a warning.

    Attributes:
        logdir: as given; a local path is made absolute, and `~` the home folder, when the writer is made.
        dropped: records that were given up: the queue stayed full, `max_bytes` was reached, or a series already had this step or a
            later one.
        failed: records that could not be built or written.
    """

    def __init__(
        self, logdir: str | os.PathLike[str], *, max_queue_bytes: int = MAX_QUEUE_BYTES, max_bytes: int | None = None, strict: bool = False
    ) -> None:
        _check_size("max_queue_bytes", max_queue_bytes)
        if max_bytes is not None:
            _check_size("max_bytes", max_bytes)
        if not isinstance(logdir, (str, os.PathLike)):
            raise TypeError(f"logdir is a {type(logdir).__name__}; allowed are strings and path objects")
        self.logdir = storage.resolved(logdir)
        self._strict = strict
        self._log = self._open_log(max_bytes)
        self._queue = Background(max_queue_bytes, _settle_of(weakref.ref(self)), partial(shortfall.tell_of_wait, self.logdir))
        self._pool = SnapshotPool()
        self._ordinals: dict[tuple[str, str], Iterator[int]] = {}
        self._short = Shortfall()
        self._is_in_log = False
        _writers.add(self)
        weakref.finalize(self, _shut, self._queue, self._log).atexit = False

    def _open_log(self, max_bytes: int | None) -> EventLog:
        return EventLog(self.logdir, max_bytes)

    @takes(MapOptions)
    def feature_maps(
        self,
        name: str,
        data: object,
        step: int,
        *,
        inputs: object | None = None,
        **options: Unpack[MapKeywords],
    ) -> None:
        """Logs what a layer puts out; arguments as of `summary.feature_maps_pb`.

        Raises:
            TypeError: an array is none, or the step is no whole number.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        checked = self._check_step(step)
        call = FeatureMapsRequest.check(name, data, inputs, options_of(MapOptions, options, "feature_maps"), self._pool.take)
        ordinal = self.next_ordinal("maps", name)
        inputs_ordinal = None if inputs is None else self.next_ordinal("inputs", name)
        self._submit(checked, partial(self._build_maps, call, ordinal, inputs_ordinal), call.nbytes)

    @takes(FilterOptions)
    def filters(
        self,
        name: str,
        kernel: object,
        step: int,
        *,
        bias: object | None = None,
        **options: Unpack[FilterKeywords],
    ) -> None:
        """Logs what a layer's filters have learnt; arguments as of `summary.filters_pb`.

        Raises:
            TypeError: an array is none, or the step is no whole number.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        checked = self._check_step(step)
        call = FiltersRequest.check(name, kernel, bias, options_of(FilterOptions, options, "filters"), tensors.snapshot)
        ordinal = self.next_ordinal("filters", name)
        self._submit(checked, partial(call.build, ordinal), call.nbytes)

    @takes(WeightOptions)
    def weight_change(
        self,
        name: str,
        value: object,
        previous: object,
        step: int,
        *,
        previous_step: int | None = None,
        initial: object | None = None,
        previous_update: object | None = None,
        gradient: object | None = None,
        **options: Unpack[WeightKeywords],
    ) -> None:
        """Logs how a variable changes; arguments as of `summary.weight_change_pb`.

        Args:
            previous_step: the step of `previous`; default is the step before.

        Raises:
            TypeError: an array is none, or a step is no whole number.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        checked = self._check_step(step)
        others = {"previous": previous, "initial": initial, "previous_update": previous_update, "gradient": gradient}
        gap, given = _gap_between(checked, previous_step), options_of(WeightOptions, options, "weight_change")
        call = WeightChangeRequest.check(name, value, others, gap, given, tensors.snapshot)
        ordinal = self.next_ordinal("variables", name)
        self._submit(checked, partial(call.build, ordinal), call.nbytes)

    @property
    def dropped(self) -> int:
        """Records that were given up: see the class."""
        return self._short.dropped

    @property
    def failed(self) -> int:
        """Records that could not be built or written."""
        return self._short.failed

    def next_ordinal(self, kind: str, name: str) -> int:
        """Counts one more record of a series, and says how many there are: 1 for the first."""
        return next(self._ordinals.get((kind, name)) or self._ordinals.setdefault((kind, name), itertools.count(1)))

    def submit(self, step: int, build: Build, nbytes: int = 0) -> None:
        """Queues one event; `build` is called behind the loop, in the order of the calls, and returns its values.

        Args:
            step: of the event.
            build: must not touch memory that the loop goes on writing to.
            nbytes: memory that it holds until then.

        Raises:
            TypeError: `step` is no whole number.
            ValueError: the writer is closed.
        """
        self._submit(self._check_step(step), lambda: [encoded(value) for value in build()], nbytes)

    @property
    def settled(self) -> bool:
        """Whether all that was logged is built."""
        return self._queue.idle

    def settle(self) -> bool:
        """Waits until all that was logged is built, so that nothing of it is held any more.

        Returns:
            False if nothing moved for 60 s, because the storage does not answer.
        """
        return self._queue.join()

    def flush(self) -> None:
        """Waits until all that was logged is handed to the operating system (or the remote storage)."""
        if self._queue.join():
            self._run_safely(self._log.flush)
        else:
            self._short.drop_here(0, shortfall.STALLED)
        self._tell()

    def close(self) -> None:
        """Flushes and closes; may be called again."""
        if self._queue.closed:
            return
        if self._queue.close():
            self._pool.clear()
            self._run_safely(self._log.close)
        else:
            self._short.drop_here(0, shortfall.STALLED)
        self._tell()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        lost = [f"{number:,} {word}" for number, word in ((self.dropped, "dropped"), (self.failed, "failed")) if number]
        return described("Writer", quoted_path(self.logdir), *lost, "closed" if self._queue.closed else None)

    def _check_step(self, step: object) -> int:
        self._refuse_closed()
        return check_step(step)

    def _refuse_closed(self) -> None:
        if self._queue.closed:
            raise ValueError("the writer is closed; open a new one to log more")

    def _submit(self, step: int, build: Callable[[], Sequence[Value]], nbytes: int) -> None:
        if not self._queue.put(partial(self._write, step, build), nbytes):
            self._refuse_closed()
            self._short.drop_here(1, shortfall.SLOW)
        self._tell()

    def _build_maps(self, call: FeatureMapsRequest, ordinal: int, inputs_ordinal: int | None) -> list[Value]:
        try:
            return call.build(ordinal, inputs_ordinal)
        finally:
            for snapshot in (call.data, call.inputs):
                self._pool.give_back(snapshot)

    def _write(self, step: int, build: Callable[[], Sequence[Value]]) -> None:
        self._run_safely(partial(self._append, step, build))

    def _append(self, step: int, build: Callable[[], Sequence[Value]]) -> None:
        values = build()
        with self._in_log():
            left_out = self._log.append(step, values)
        if left_out is not NOTHING:
            self._short.drop_behind(left_out.repeated, shortfall.REPEATED)
            self._short.drop_behind(left_out.late, shortfall.LATE)
            self._short.drop_behind(left_out.beyond_cap, shortfall.FULL)

    @contextlib.contextmanager
    def _in_log(self) -> Iterator[None]:
        self._is_in_log = True
        try:
            yield
        finally:
            self._is_in_log = False

    def _write_held_back(self) -> None:
        if not self._is_in_log:  # as it is in a signal handler, where the caller's thread works off: that goes on behind it
            with self._in_log():
                self._run_safely(self._log.write)

    def _run_safely(self, action: Callable[[], object]) -> None:
        lost = self._log.lost
        try:
            action()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # even SystemExit: it would end the thread and lose all that is queued
            self._short.fail(max(1, self._log.lost - lost), error)

    def _tell(self) -> None:
        """Says in the caller's thread what went wrong in the other one."""
        error = self._short.take_error() if self._strict else None
        for reason in [*self._log.take_remarks(), *self._short.take_reasons()]:
            warnings.warn(f"logging to {self.logdir}: {reason}", RuntimeWarning, stacklevel=4)
        if error is not None:
            raise error

    def _after_fork(self) -> None:
        closed = self._queue.closed
        self._pool = SnapshotPool()
        self._queue.reset()
        self._log.leave_to_parent()
        if closed:
            self._queue.close()


class RunWriter(Writer):
    """A writer that has a run to itself, as a `Monitor` must: it shares its folder with no other one.

    Args:
        logdir, strict: as of `Writer`.
        before: a closed writer of the same logdir that this one goes on with.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, strict: bool = False, before: RunWriter | None = None) -> None:
        self._before = before
        super().__init__(logdir, strict=strict)

    def _open_log(self, max_bytes: int | None) -> EventLog:
        before, self._before = self._before, None
        return EventLog(self.logdir, max_bytes, alone=True, before=before._log if before is not None else None)


def check_step(step: object, name: str = "step") -> int:
    """A step as a whole number, given as one of any kind: an int, a whole float, a scalar or a variable of any framework.

    Raises:
        TypeError: it is not one.
        ValueError: it is so large that a browser could not tell it from the next one.
    """
    checked = step if type(step) is int else whole_number(step)
    if checked is None:
        raise TypeError(f"{name} is a {type(step).__name__}; allowed are whole numbers")
    if abs(checked) > limits.MAX_STEP:
        raise ValueError(f"{name} is {checked}; allowed are whole numbers up to {limits.MAX_STEP} in size")
    return checked


def _gap_between(step: int, previous_step: object | None) -> int:
    """Training steps from the previous value to this one; 1 where not said otherwise.

    Raises:
        TypeError: `previous_step` is no whole number.
        ValueError: it is not before `step`.
    """
    if previous_step is None:
        return 1
    gap = step - check_step(previous_step, "previous_step")
    if gap < 1:
        raise ValueError(f"previous_step is {previous_step}; allowed are steps before step {step}")
    return gap


def _check_size(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is {value!r}; allowed are whole numbers from 1")


def _settle_of(writer: weakref.ref[Writer]) -> Callable[[], None]:
    """Writes what a writer's log holds back; of one that nobody holds any more, `_shut` does."""

    def settle() -> None:
        alive = writer()
        if alive is not None:
            alive._write_held_back()

    return settle


def _shut(queue: Background, log: EventLog) -> None:
    """Of a writer that nobody holds any more: nothing is queued then, because what is queued holds it."""
    if not queue.closed and queue.close():
        log.close()


def _close_all() -> None:
    with contextlib.ExitStack() as stack:  # so that a strict writer that raises keeps no other one from closing
        for writer in list(_writers):
            stack.callback(writer.close)


def _reset_all() -> None:
    for writer in list(_writers):
        writer._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
