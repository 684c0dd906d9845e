"""`Monitor`: logs from a training loop of any kind."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tb_featuremap_plugin.monitor.joined_layers import NotJoinedError
from tb_featuremap_plugin.monitor.options import MonitorKeywords, MonitorOptions, check_layers, check_logdir, check_step
from tb_featuremap_plugin.monitor.progress import Losses
from tb_featuremap_plugin.monitor.recorder import Recorder
from tb_featuremap_plugin.monitor.schedule import Plan, Schedule, TimeBudget
from tb_featuremap_plugin.monitor.step_arguments import StepArguments, Tree
from tb_featuremap_plugin.monitor.workers import team_of
from tb_featuremap_plugin.recording import storage
from tb_featuremap_plugin.recording.keywords import options_of, takes
from tb_featuremap_plugin.schema.network import Layer
from tb_featuremap_plugin.schema.one_line import described, quoted_path
from tb_featuremap_plugin.writer import RunWriter

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Monitor:
    """Records feature maps, filters and weight change from a training loop, on a schedule of its own.

    Call `log` after every update, and once at step 0 before the first. Between logged steps a call takes microseconds. What
    it keeps: copies of the weights of the two latest reads and of the first one (three at most, the first only with
    `keep_first`), and the copies that go into the record that is being written. Weights are read on a logged step and on the
    two calls before it, so that the update of that single step and the one before it are exact.

    A failure of logging is one warning and never an exception in the loop, unless `strict` is set.

    Args:
        logdir: a folder or a URL; records go into its sub-folder `run_name`.
        every: n for the steps 0, 1, 2, 5, 10, 20 and 50 below n, then every n, and the last step at `close`; or a callable
            from step to bool, which is asked for up to two steps ahead.
        layers: what is known of the layers, in order of depth; by default their names are taken from the activations.
        loss, optimizer: their names, such as "categorical_crossentropy" and "adam".
        from_logits: whether the loss takes logits.
        weight_decay: the optimizer's.
        run_name: of the sub-folder; give two networks in one logdir different ones.
        record_inputs: False leaves the probe inputs out of the logdir, for private data.
        keep_first: False saves one copy of the weights; displacement is then not known.
        max_overhead: share of the whole time that logging may take, such as 0.01; steps are skipped while it takes more. None
            (the default) is no limit.
        max_bytes: of a logged step, of which kernels get a quarter. Where pictures would take more, remarkable channels of all layers come
            first, then pictures spread over the depth of the network; numbers are always written. None is no limit.
        max_run_bytes: of the pictures of a run. When half is used they are written at every second logged step, then every fourth, and
            so on; numbers at every one. None is no limit. Counts go on when a run is resumed.
        strict: raise instead of warning when logging fails.
        max_images, max_channels: how many images of the probe and channels of a layer are kept as pictures; statistics cover all.
        precision: of pictures of maps, "uint8", "float16" or "float32".
        layouts: "channels_last" (Keras, TensorFlow, Flax), "channels_first" (PyTorch, Equinox), or a mapping from names of
            layers and variables to layouts such as "NCHW" and "OIHW", with one of the two words for all others under "*".
        mirror_scalars: write headline numbers as ordinary scalars too, for Time Series and HParams.
        workers: collectives of a distributed training; see `fm.keras.workers` and `fm.torch.workers`.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    @takes(MonitorOptions)
    def __init__(self, logdir: str | os.PathLike[str], **options: Unpack[MonitorKeywords]) -> None:
        check_logdir(logdir)
        given = options_of(MonitorOptions, options, "Monitor")
        self._schedule = Schedule(given.every)
        self._strict = given.strict
        self._team = team_of(given.workers)
        self._budget = TimeBudget(given.max_overhead)
        self._plan = Plan(self._decide)
        self._folder = folder = _folder(logdir, given.run_name)
        open_writer = partial(_open_writer, folder, given.strict)
        self._recorder = Recorder(open_writer, given, self._schedule.words, self._budget, self._team)
        self._left_out = self._recorder.left_out
        self._losses = Losses(self._left_out)
        self._last_step: int | None = None
        self._unrecorded: StepArguments | None = None
        self._told: set[str] = set()
        self._closed = False

    def due(self, step: Any) -> bool:
        """Whether `log` at this step would write a record. With several workers, ask on each of them."""
        return self._plan.due(check_step(step))

    def log(
        self,
        step: Any,
        *,
        inputs: Tree = None,
        targets: Tree = None,
        activations: Tree = None,
        weights: Tree = None,
        gradients: Tree = None,
        loss: Any = None,
        learning_rate: Any = None,
    ) -> None:
        """Takes note of a step, and records it if it is due.

        Each of the trees is {name: array}, a nested mapping, list or dataclass of arrays (any JAX pytree), or a callable that
        returns one and is called only when needed. An array or an argument that cannot be read costs itself alone: it is named in a
        warning and in the run record.

        Args:
            step: finished updates of the whole training: 0 is the untouched start, 1 is after the first update. A whole number of any
                kind, such as an int, a tensor or `optimizer.iterations`.
            inputs: the probe batch, always the same; a bare array is called "input".
            targets: what the outputs for it should be.
            activations: by layer name, of the probe batch.
            weights: by variable name, trainable ones and others; or a model, whose parameters these are.
            gradients: by variable name, of this step or of the probe.
            loss: of this step, a number or a tensor: kept as it is at every step, detached, and read only when a record is due.
            learning_rate: of this step, a number, a tensor or a callable that returns one.
        """
        try:
            self._log(check_step(step), StepArguments(inputs, targets, activations, weights, gradients, learning_rate), loss)
        except Exception as error:  # whatever it is: training goes on
            self._report(error)
        self._tell()

    def validate(self, loss: Any) -> None:
        """Takes note of a loss on data that are not trained on, computed after the latest step; goes into the next record.

        Args:
            loss: the mean over the validation data, a number or a tensor.
        """
        self._left_out.attempt("validation", partial(self._recorder.validation.add, self._last_step or 0, loss))
        self._tell()

    @property
    def last_step(self) -> int | None:
        """The latest step that was given to `log`; None before the first."""
        return self._last_step

    def describe(self, *, layers: Sequence[Layer] | None = None, replaced: Iterable[str] = (), **training: Any) -> None:
        """Says what was not known when the monitor was made; goes into the next record.

        Args:
            layers: as of the constructor. How they differ from those of the logged step before is dated in the run record (`changes`).
            replaced: names of variables that are others than at the logged step before.
            **training: `loss`, `from_logits`, `optimizer` and `weight_decay`, as of the constructor.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        check_layers(layers)
        self._recorder.describe(layers, replaced, training)

    def note(self, name: str, reason: str) -> None:
        """Writes down in the run record what was left out on purpose, and why; there is no warning.

        Args:
            name: of what was left out: an argument of `log`, or one and a row of it ("activations/conv1").
            reason: a sentence without its full stop.
        """
        self._left_out.note(name, reason)

    def guard(self, action: Callable[[], object]) -> None:
        """Runs what belongs to logging; an exception in it is a warning, as in `log`."""
        try:
            action()
        except Exception as error:  # whatever it is: training goes on
            self._report(error)

    def flush(self) -> None:
        """Waits until all that was logged is handed to the operating system."""
        self.guard(self._recorder.flush)
        self._tell()

    def close(self) -> None:
        """Records the last step, if it was not due, and the losses since, and closes the files. May be called again."""
        if not self._closed:
            self.pause()
            self._team.leave()
            self._closed = True

    def pause(self) -> None:
        """Records the last step, if it was not due, and closes the files; a later `log` goes on in a new one."""
        self.guard(self._record_last)
        self.guard(self._recorder.close)
        self._tell()

    def _abandon(self) -> None:
        """Closes the files after an error in the loop: other workers are told, none is waited for, and nothing more is recorded."""
        self._team.leave()
        self.guard(self._recorder.close)
        self._closed = True

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and self._team.size > 1:
            self._abandon()
        else:
            self.close()

    def __repr__(self) -> str:
        at = "nothing logged yet" if self._last_step is None else f"at step {self._last_step}"
        return described("Monitor", quoted_path(self._folder), self._schedule.words, at, "closed" if self._closed else None)

    def _decide(self, step: int) -> bool:
        """The first worker's answer wherever those of others could differ."""
        wanted = self._schedule.wants(step)
        if not self._schedule.fixed:
            wanted = self._team.first_says(wanted)
        if wanted and self._budget.share is not None:
            wanted = self._team.first_says(self._budget.allows())
        return wanted

    def _log(self, step: int, call: StepArguments, loss: Any) -> None:
        if self._closed:
            raise ValueError(f"step {step} was logged after close()")
        if self._last_step is not None and step <= self._last_step:
            raise ValueError(_STEPS_GO_BACK.format(step=step, last=self._last_step))
        self._budget.start()
        self._recorder.seen_steps += 1
        if loss is not None:
            self._left_out.attempt("loss", partial(self._losses.add, step, loss))
        due, reads = self._plan.due(step), self._plan.reads_weights(step)
        self._plan.advance(step)
        self._last_step = step
        self._unrecorded = None if due else call.without_arrays()
        if reads:
            self._read(step, call, due)

    def _read(self, step: int, call: StepArguments, due: bool) -> None:
        with self._budget.holding(), self._team.informed(step, due):
            if due:
                self._recorder.record(step, call, self._losses)
            else:
                self._recorder.read_weights(step, call.weights)

    def _record_last(self) -> None:
        if self._last_step is not None and self._unrecorded is not None:
            call, self._unrecorded = self._unrecorded, None
            self._read(self._last_step, call, due=True)

    def _report(self, error: Exception) -> None:
        """Of a whole call that failed."""
        self._recorder.failures += 1
        if self._strict:
            raise error
        told = isinstance(error, NotJoinedError)
        sentence = str(error) if told else f"feature maps are not logged: {type(error).__name__}: {error}"
        kind = re.sub(r"\d+", "#", sentence)
        if kind not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(kind)
            warnings.warn(sentence, RuntimeWarning, stacklevel=3)

    def _tell(self) -> None:
        """Says what was left out since the last call."""
        sentences, errors = self._left_out.take()
        if errors and self._strict:
            raise errors[0]
        for sentence in sentences:
            warnings.warn(sentence, RuntimeWarning, stacklevel=3)


_MOST_TOLD = 100
"""Different failures of whole calls that are told of."""

_STEPS_GO_BACK = (
    "step is {step} after {last}; steps must increase from call to call, and what is logged at a step again is left out. A step counts "
    "the finished updates of the whole training: where it begins anew at each epoch, log epoch * steps_per_epoch + batch + 1"
)


def _open_writer(folder: str, strict: bool, before: RunWriter | None) -> RunWriter:
    return RunWriter(folder, strict=strict, before=before)


def _folder(logdir: str | os.PathLike[str], run_name: str) -> str:
    return storage.join(storage.resolved(logdir), run_name)
