"""A writer of our own: no TensorFlow, native checksums, and the training loop pays for a copy of its arrays only."""

from __future__ import annotations

import atexit
import operator
import os
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tb_featuremap_plugin import arrays, storage
from tb_featuremap_plugin.background import Background
from tb_featuremap_plugin.calls import FeatureMapsCall, FiltersCall, WeightChangeCall
from tb_featuremap_plugin.eventlog import EventLog
from tb_featuremap_plugin.pictures import FilterOptions, MapOptions, Precision
from tb_featuremap_plugin.values import Value

Build = Callable[[], Sequence[Value]]

MAX_QUEUE_BYTES = 256 << 20

_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Writes into exactly one folder, as a SummaryWriter does; may be used from many threads, and as a context manager.

    What fails behind the training loop (a full disk, a lost mount) is counted and said in one warning, at the next call.

    Args:
        logdir: a local path, or `scheme://` for fsspec or TensorFlow's gfile.
        max_queue_bytes: bytes of copied arrays that may wait to be written. A full queue holds the loop for at most 60 s, then the
            record is dropped, counted in `dropped` and said in one warning.
        strict: raise at the next call what failed, instead of a warning.

    Attributes:
        dropped: records that were given up because the queue stayed full.
        failed: records that could not be built or written.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, max_queue_bytes: int = MAX_QUEUE_BYTES, strict: bool = False) -> None:
        if isinstance(max_queue_bytes, bool) or not isinstance(max_queue_bytes, int) or max_queue_bytes < 1:
            raise ValueError(f"max_queue_bytes is {max_queue_bytes!r}; allowed are whole numbers from 1")
        self.logdir = _folder(logdir)
        self.dropped = 0
        self.failed = 0
        self._strict = strict
        self._log = EventLog(self.logdir)
        self._queue = Background(max_queue_bytes)
        self._ordinals: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []
        self._told: set[str] = set()
        self._closed = False
        _writers.add(self)

    def feature_maps(
        self,
        name: str,
        data: object,
        step: int,
        *,
        inputs: object | None = None,
        layout: str = "NHWC",
        activation: str | None = None,
        max_images: int = 1,
        max_channels: int = 256,
        precision: Precision = "uint8",
        description: str | None = None,
    ) -> None:
        """Logs what a layer puts out; arguments as of `summary.feature_maps_pb`.

        Raises:
            TypeError: an array is none.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        options = MapOptions(layout, activation, max_images, max_channels, precision, description)
        call = FeatureMapsCall.check(name, data, inputs, options, arrays.snapshot)
        ordinal = self.next_ordinal("maps", name)
        inputs_ordinal = None if inputs is None else self.next_ordinal("inputs", name)
        self.submit(step, lambda: call.build(ordinal, inputs_ordinal), call.nbytes)

    def filters(
        self,
        name: str,
        kernel: object,
        step: int,
        *,
        layout: str = "HWIO",
        layer: str | None = None,
        bias: object | None = None,
        max_filters: int = 256,
        description: str | None = None,
    ) -> None:
        """Logs what a layer's filters have learnt; arguments as of `summary.filters_pb`.

        Raises:
            TypeError: an array is none.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        call = FiltersCall.check(name, kernel, bias, FilterOptions(layout, layer, max_filters, description), arrays.snapshot)
        ordinal = self.next_ordinal("filters", name)
        self.submit(step, lambda: call.build(ordinal), call.nbytes)

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
        layer: str | None = None,
        trainable: bool = True,
        description: str | None = None,
    ) -> None:
        """Logs how a variable changes; arguments as of `summary.weight_change_pb`.

        Args:
            previous_step: the step of `previous`; default is the step before.

        Raises:
            TypeError: an array is none.
            ValueError: an argument is not allowed, or the writer is closed.
        """
        others = {"previous": previous, "initial": initial, "previous_update": previous_update, "gradient": gradient}
        gap = 1 if previous_step is None else check_step(step) - check_step(previous_step)
        call = WeightChangeCall.check(name, value, others, gap, trainable, description, arrays.snapshot)
        ordinal = self.next_ordinal("variables", name)
        self.submit(step, lambda: call.build(ordinal), call.nbytes)

    def next_ordinal(self, kind: str, name: str) -> int:
        """Counts one more record of a series, and says how many there are: 1 for the first."""
        with self._lock:
            self._ordinals[kind, name] += 1
            return self._ordinals[kind, name]

    def submit(self, step: int, build: Build, nbytes: int = 0) -> None:
        """Queues one event; `build` is called behind the loop and returns its values.

        Args:
            step: of the event.
            build: must not touch memory that the loop goes on writing to.
            nbytes: memory that it holds until then.

        Raises:
            TypeError: `step` is no whole number.
            ValueError: the writer is closed.
        """
        checked = check_step(step)
        if self._closed:
            raise ValueError("the writer is closed; open a new one to log more")
        self._tell()
        if not self._queue.put(lambda: self._write(checked, build), nbytes):
            self.dropped += 1
            self._tell()

    def flush(self) -> None:
        """Waits until all that was logged is handed to the operating system (or the remote storage)."""
        self._queue.join()
        self._run_safely(self._log.flush)
        self._tell()

    def close(self) -> None:
        """Flushes and closes; may be called again."""
        if self._closed:
            return
        self._closed = True
        _writers.discard(self)
        self._queue.join()
        self._run_safely(self._log.close)
        self._tell()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _write(self, step: int, build: Build) -> None:
        self._run_safely(lambda: self._log.append(step, build()))

    def _run_safely(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            self.failed += 1
            self._errors.append(error)

    def _tell(self) -> None:
        if self._errors:
            error, self._errors = self._errors[0], []
            if self._strict:
                raise error
            self._warn("failed", f"logging to {self.logdir} failed and goes on without what was lost: {error!r}")
        if self.dropped:
            self._warn("dropped", f"logging to {self.logdir} is slower than what is logged: records are dropped (see Writer.dropped)")

    def _warn(self, about: str, message: str) -> None:
        if about not in self._told:
            self._told.add(about)
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._queue.reset()
        self._log.forget_file()


def check_step(step: object) -> int:
    """A step as a whole number.

    Raises:
        TypeError: it is none.
    """
    try:
        return operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"step is a {type(step).__name__}; allowed are whole numbers") from None


def _folder(logdir: str | os.PathLike[str]) -> str:
    path = os.fspath(logdir)
    return path if storage.is_remote(path) else str(Path(path).absolute())


def _close_all() -> None:
    for writer in list(_writers):
        writer.close()


def _reset_all() -> None:
    for writer in list(_writers):
        writer._after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
