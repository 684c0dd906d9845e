"""`watch`: one line before the training loop and one in it log everything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from tb_featuremap_plugin.integrations.torch import training
from tb_featuremap_plugin.integrations.torch.followed_model import FollowedModel, LossFunction
from tb_featuremap_plugin.integrations.torch.last_weights import LastWeights
from tb_featuremap_plugin.integrations.torch.layer_selection import Choices
from tb_featuremap_plugin.integrations.torch.loop_habits import MOST_UPDATES, LoopHabits
from tb_featuremap_plugin.integrations.torch.modes import unwrapped
from tb_featuremap_plugin.integrations.torch.optimizer_steps import Interval, OptimizerSteps, unwrapped_optimizers
from tb_featuremap_plugin.integrations.torch.together import Passes, is_sharded
from tb_featuremap_plugin.integrations.torch.unregistered_layers import UnregisteredLayers
from tb_featuremap_plugin.integrations.torch.update_count import UpdateCount, whole_number
from tb_featuremap_plugin.integrations.torch.watcher_copy import WatcherCopy
from tb_featuremap_plugin.integrations.torch.workers import TorchWorkers, is_distributed, say_alone, workers_of
from tb_featuremap_plugin.monitor import Monitor
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_FIRST, OTHERS
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorOptions
from tb_featuremap_plugin.monitor.workers import Team, Workers
from tb_featuremap_plugin.recording.keywords import takes
from tb_featuremap_plugin.schema.network import LoopFacts
from tb_featuremap_plugin.schema.one_line import counted, described

if TYPE_CHECKING:
    from typing_extensions import Unpack

Optimizers: TypeAlias = torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | str | None
"""The optimizers, or the name of one."""


@takes(MonitorOptions)
def watch(
    model: nn.Module,
    logdir_or_summary_writer: str | os.PathLike[str] | Any,
    *,
    probe: Any,
    layers: Choices = None,
    loss_fn: LossFunction | None = None,
    optimizer: Optimizers = None,
    first_step: int = 0,
    **monitor_options: Unpack[LoopKeywords],
) -> Watcher:
    """Begins to log a module, with its untouched start; call the watcher's `step` after each `optimizer.step()`.

    The probe is run in evaluation mode, set flag by flag, and all that the pass changes is put back: buffers, attributes, random numbers.
    What layers there are is seen anew at each logged step. Parameters are logged by their `named_parameters` names. A model in
    `DistributedDataParallel`, or of which each rank holds a part, is logged by all ranks that call this, each with its share of the
    probe: the first rank writes, and statistics are those of all shares. A rank that comes alone logs what it has.

    Args:
        model: a module, as it is, compiled, in `DistributedDataParallel`, or sharded.
        logdir_or_summary_writer: a folder, a URL, or a `SummaryWriter`, whose folder is used; records go into its sub-folder `run_name`.
        probe: inputs, always the same few: a tensor, a list of positional or a dictionary (also a tokenizer's output) of keyword
            arguments; or a 2-tuple (inputs, targets).
        layers: whose outputs are logged: names, regular expressions, classes, modules or functions from module to bool, one or several.
            By default convolutions, dense layers, normalisations, activations and the outputs.
        loss_fn: of outputs and targets. It names the loss, and gives gradients on the probe where no update and no parameter has any.
        optimizer: one or several, which give name, weight decay and learning rate; or just a name. All that update the model are seen
            without it too.
        first_step: updates that were done before, in a resumed training.
        **monitor_options: `every` and the others, as of `Monitor`.

    Raises:
        TypeError, ValueError: an argument is wrong, or the model does not work with the probe; the cause is then what it raised.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {model!r:.100}; allowed is a torch.nn.Module")
    return Watcher(model, _folder(logdir_or_summary_writer), probe, layers, loss_fn, optimizer, first_step, monitor_options)


class Watcher:
    """Logs a torch module; made by `watch`. A context manager, which closes at the end."""

    def __init__(
        self,
        model: nn.Module,
        logdir: str,
        probe: Any,
        layers: Choices,
        loss_fn: LossFunction | None,
        optimizer: Any,
        first_step: Any,
        monitor_options: LoopKeywords,
    ) -> None:
        own = unwrapped(model)
        given = unwrapped_optimizers(optimizer)
        self._step = whole_number(first_step, "first_step")
        self._loss_fn = loss_fn
        team = _workers(model, own, monitor_options)
        layouts = monitor_options.get("layouts", CHANNELS_FIRST)
        try:
            together = Passes(own, team if isinstance(team, Team) else None)
            self._model = FollowedModel(own, probe, layers, () if isinstance(layouts, str) else tuple(layouts), together)
        except BaseException:  # also where the user stops it: the others must not wait for this rank
            if isinstance(team, TorchWorkers):
                team.leave()
            raise
        facts = training.loss_facts(loss_fn, self._targets)
        facts |= training.optimizer_facts(given) if given else {"optimizer": optimizer}
        found = {**self._model.kernel_layouts(), **self._model.input_layouts()}
        layouts = {**found, **({OTHERS: layouts} if isinstance(layouts, str) else layouts)}
        self.monitor = Monitor(logdir, **{"layers": (), **facts, **monitor_options, "layouts": layouts, "workers": team})
        self._steps = OptimizerSteps(given, self._model.parameters, self._is_next_due, self._start, self.monitor.guard, LoopHabits(own))
        self._counting = UpdateCount(bool(given))
        self._asks_ahead = team is None or _is_fixed(monitor_options)
        self._last = LastWeights(self._model)
        self._unregistered = UnregisteredLayers(own)
        self._interval = Interval()
        self._described: Any = None
        self._without_update = 0
        self._started = False
        if not self._model.is_lazy:
            self._start()

    def step(self, loss: Any = None) -> None:
        """Takes note of a finished update, and records it if it is due.

        A call without an update since the last one, as between accumulated gradients or where a `GradScaler` skips one, counts no step:
        its loss is averaged with those of the other calls of the update.

        Args:
            loss: of this step, a tensor or a number; read only when a record is due.
        """
        self.monitor.guard(lambda: self._take_note(loss))

    def validate(self, loss: Any) -> None:
        """Takes note of a loss on data that are not trained on, of the model as it is now; goes into the next record.

        Args:
            loss: the mean over the validation data, a tensor or a number.
        """
        self.monitor.validate(loss)

    def close(self) -> None:
        """Records the last step, if it was not due, and closes the files.

        Weights that somebody has changed since the last step, such as averages, are not recorded: they are of another step. Right before
        `load_state_dict` those of the last step are copied, so that they can be.
        """
        self.monitor.guard(self._before_close)
        self.monitor.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.monitor.guard(self._before_close)
        self.monitor.__exit__(kind, error, traceback)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, as of a model that keeps its watcher, logs nothing: files, locks and the model's hooks are the original's."""
        return WatcherCopy, (type(self._model.model).__name__, self._step)

    def __repr__(self) -> str:
        model = type(self._model.model).__name__
        return described("Watcher", f"of {model}", counted(len(self._model.names), "layer"), f"at step {self._step}", repr(self.monitor))

    @property
    def _targets(self) -> Any:
        return self._model.reading.targets

    def _start(self) -> None:
        """Logs the untouched start; of lazy modules as soon as they have parameters, right before the first update."""
        if not self._started and not self._model.is_lazy:
            self._started = True
            self._log(None)

    def _take_note(self, loss: Any) -> None:
        interval = self._steps.take()
        if not self._counting.is_update(interval.updates, self._steps.ever, self._last.marks, loss):
            self._without_update += 1
            return
        self._step += 1
        self._interval = interval
        if not self._model.is_lazy:
            self._started = True
            self._log(self._counting.loss())

    def _log(self, loss: Any) -> None:
        self._last.note()
        rate = self._interval.learning_rate
        self.monitor.log(
            self._step,
            inputs=self._model.reading.inputs,
            targets=self._targets,
            activations=self._activations,
            weights=self._weights,
            gradients=self._gradients,
            loss=loss,
            learning_rate=training.learning_rate(self._steps.optimizers) if rate is None else rate,
        )

    def _before_close(self) -> None:
        self._steps.close()
        if not self._started and self._model.is_lazy:
            self._model.initialise()
            self._start()
        self._last.settle()
        if self._last.are_others:
            self.monitor.note("activations", f"the weights were changed after step {self._step}, the last one, whose maps are not known")
        if self._started and self._never_updates() and not self._last.are_others:
            self._step += 1
            self._log(self._counting.loss())  # so that the run says why it has no steps

    def _is_next_due(self) -> bool:
        return self._asks_ahead and self.monitor.due(self._step + 1)

    def _weights(self) -> dict[str, torch.Tensor]:
        return self._last.weights()

    def _activations(self) -> dict[str, torch.Tensor]:
        if self._last.are_others:
            return {}
        activations = self._model.activations()
        self._describe_if_changed()
        return activations

    def _describe_if_changed(self) -> None:
        """Layers come and go, and parameters may be frozen and freed, while training goes on."""
        model, trained = self._model, self._interval.trained
        trainable = tuple(parameter.requires_grad or name in trained for name, parameter in model.parameters().items())
        loop = self._loop_facts()
        unregistered = () if model.is_sharded else self._unregistered.names(self._steps.optimizers, self._steps.ever)
        now = (model.trace, trainable, tuple(map(id, self._steps.optimizers)), loop, unregistered)
        if self._described is None or self._described[0] is not now[0] or self._described[1:] != now[1:]:
            self._described = now
            self._steps.forget_strangers()
            self._last.follow()
            self.monitor.describe(
                layers=model.layers(trained),
                replaced=model.replaced(),
                loss_facts=training.loss_details(self._loss_fn, self._targets, model.trace.shape),
                loop_facts=loop,
                unregistered=unregistered,
                not_optimized=training.not_optimized(model.model, self._steps.optimizers),
            )

    def _loop_facts(self) -> LoopFacts | None:
        if self._steps.habits.is_known:
            return self._steps.habits.facts
        return None if self._steps.ever else LoopFacts(calls_without_update=self._without_update) if self._never_updates() else None

    def _never_updates(self) -> bool:
        return not self._steps.ever and self._without_update >= MOST_UPDATES

    def _gradients(self) -> dict[str, torch.Tensor]:
        """Those that the update was made of; else those that parameters hold now; else those of the loss on the probe."""
        if self._last.are_others:
            return {}
        given = self._interval.gradients or {
            name: parameter.grad for name, parameter in self._model.parameters().items() if parameter.grad is not None
        }
        if given or self._loss_fn is None or self._targets is None or self._model.is_sharded:
            return given
        return self._model.probe_gradients(self._loss_fn)


def _is_fixed(options: LoopKeywords) -> bool:
    """Whether what is due follows from the step alone, so that no other process must be asked."""
    return not callable(options.get("every")) and options.get("max_overhead") is None


def _workers(model: nn.Module, inner: nn.Module, options: LoopKeywords) -> Workers | None:
    """Who trains the model together with this process; found out only where the user has not said so."""
    found = options.get("workers")
    if "workers" not in options:
        group = model.process_group if isinstance(model, nn.parallel.DistributedDataParallel) else None
        if is_distributed(group) and (group is not None or is_sharded(inner)):
            found = workers_of(inner, group, model)
    if isinstance(found, TorchWorkers):
        found.start()
        say_alone(found, stacklevel=5)
    return found


def _folder(target: Any) -> str:
    """A logdir, or that of a `SummaryWriter` of torch or tensorboardX."""
    if isinstance(target, (str, os.PathLike)):
        return os.fspath(target)
    folder = getattr(target, "log_dir", None) or getattr(target, "logdir", None)
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(f"logdir_or_summary_writer is {target!r:.100}; allowed are a path, a URL and a SummaryWriter")
    return os.fspath(folder)
