"""`watch`: one line before the training loop and one in it log everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from tb_featuremap_plugin.integrations.torch import training
from tb_featuremap_plugin.integrations.torch.call_trace import trace
from tb_featuremap_plugin.integrations.torch.capture import capturing
from tb_featuremap_plugin.integrations.torch.layer_info import describe
from tb_featuremap_plugin.integrations.torch.layer_selection import Choices, choose
from tb_featuremap_plugin.integrations.torch.modes import unwrapped
from tb_featuremap_plugin.integrations.torch.probe_pass import ProbePass
from tb_featuremap_plugin.integrations.torch.workers import TorchWorkers, is_distributed, say_alone, workers_of
from tb_featuremap_plugin.monitor import Monitor
from tb_featuremap_plugin.monitor.layer_layouts import CHANNELS_FIRST
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorOptions
from tb_featuremap_plugin.monitor.workers import Workers
from tb_featuremap_plugin.recording.keywords import takes
from tb_featuremap_plugin.schema.one_line import counted, described

if TYPE_CHECKING:
    from typing_extensions import Unpack

LossFunction = Callable[[Any, Any], torch.Tensor]


@takes(MonitorOptions)
def watch(
    model: nn.Module,
    logdir_or_summary_writer: str | os.PathLike[str] | Any,
    *,
    probe: Any,
    layers: Choices = None,
    loss_fn: LossFunction | None = None,
    optimizer: torch.optim.Optimizer | str | None = None,
    first_step: int = 0,
    **monitor_options: Unpack[LoopKeywords],
) -> Watcher:
    """Begins to log a module, with its untouched start; call the watcher's `step` after each `optimizer.step()`.

    The probe is run in evaluation mode, without gradients and with hooks that are gone afterwards; modes and random numbers are put
    back. Parameters are logged by their `named_parameters` names. With a model in `DistributedDataParallel`, call this on every rank,
    each with its share of the probe: the first rank writes, and statistics are those of all shares.

    Args:
        model: a module, as it is, compiled or in `DistributedDataParallel`.
        logdir_or_summary_writer: a folder, a URL, or a `SummaryWriter`, whose folder is used; records go into its sub-folder `run_name`.
        probe: inputs, always the same few: a tensor, a list of positional or a dictionary of keyword arguments; or a 2-tuple
            (inputs, targets).
        layers: whose outputs are logged: names, regular expressions, classes, modules or functions from module to bool, one or several.
            By default convolutions, dense layers, normalisations, activations and the outputs.
        loss_fn: of outputs and targets. It names the loss, and gives gradients on the probe where `step` finds none in the parameters.
        optimizer: gives its name, weight decay and learning rate; or just its name.
        first_step: updates that were done before, in a resumed training.
        **monitor_options: `every` and the others, as of `Monitor`.

    Raises:
        TypeError, ValueError: an argument is wrong.
        Exception: whatever the module raises for this probe.
    """
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
        optimizer: torch.optim.Optimizer | str | None,
        first_step: int,
        monitor_options: LoopKeywords,
    ) -> None:
        self._model = unwrapped(model)
        self._inputs: Any
        self._targets: Any
        self._inputs, self._targets = probe if isinstance(probe, tuple) and len(probe) == 2 else (probe, None)
        self._loss_fn = loss_fn
        self._optimizer = optimizer if isinstance(optimizer, torch.optim.Optimizer) else None
        self._step = first_step
        facts = training.loss_facts(loss_fn, self._targets)
        facts |= training.optimizer_facts(optimizer) if isinstance(optimizer, torch.optim.Optimizer) else {"optimizer": optimizer}
        team = _workers(model, self._model, monitor_options)
        self._trainable: tuple[bool, ...] = ()
        self._pass = ProbePass(self._model)
        try:
            self._trace = self._pass.run(lambda: trace(self._model, self._run))
        except BaseException:
            if isinstance(team, TorchWorkers):
                team.leave()
            raise
        self._names = choose(self._trace, layers)
        layouts = monitor_options.get("layouts", CHANNELS_FIRST)
        self._as_given = () if isinstance(layouts, str) else tuple(layouts)
        self.monitor = Monitor(logdir, **{"layers": (), "layouts": layouts, **facts, **monitor_options, "workers": team})
        self._log(None)

    def step(self, loss: Any = None) -> None:
        """Takes note of a finished update, and records it if it is due.

        Args:
            loss: of this step, a tensor or a number; read only when a record is due.
        """
        self._step += 1
        self._log(loss)

    def close(self) -> None:
        """Records the last step, if it was not due, and closes the files."""
        self.monitor.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.monitor.__exit__(kind, error, traceback)

    def __repr__(self) -> str:
        model = type(self._model).__name__
        return described("Watcher", f"of {model}", counted(len(self._names), "layer"), f"at step {self._step}", repr(self.monitor))

    def _log(self, loss: Any) -> None:
        self.monitor.log(
            self._step,
            inputs=self._inputs,
            targets=self._targets,
            activations=self._activations,
            weights=self._weights,
            gradients=self._gradients,
            loss=loss,
            learning_rate=training.learning_rate(self._optimizer),
        )

    def _run(self) -> Any:
        inputs = tree_map(self._placed, self._inputs)
        if isinstance(inputs, dict):
            return self._model(**inputs)
        return self._model(*inputs) if isinstance(inputs, list) else self._model(inputs)

    def _placed(self, value: Any) -> Any:
        """A tensor where the model is, in its precision."""
        if not isinstance(value, torch.Tensor):
            return value
        parameter = next((parameter for parameter in self._model.parameters() if parameter.is_floating_point()), None)
        if parameter is None:
            return value
        return value.to(parameter.device, parameter.dtype if value.is_floating_point() else value.dtype)

    def _activations(self) -> dict[str, torch.Tensor]:
        self._describe_if_changed()
        return self._pass.run(self._captured)

    def _captured(self) -> dict[str, torch.Tensor]:
        captured: dict[str, torch.Tensor | None] = dict.fromkeys(self._names)

        def take(name: str, tensor: torch.Tensor) -> None:
            captured[name] = tensor.detach().clone()

        with capturing(self._model, self._trace, self._names, take, self._as_given):
            self._run()
        return {name: tensor for name, tensor in captured.items() if tensor is not None}

    def _describe_if_changed(self) -> None:
        """Parameters may be frozen and freed while training goes on."""
        trainable = tuple(parameter.requires_grad for parameter in self._model.parameters())
        if trainable != self._trainable:
            self._trainable = trainable
            self.monitor.describe(
                layers=describe(self._trace, self._model),
                loss_facts=training.loss_details(self._loss_fn, self._targets, self._trace.shape),
                not_optimized=training.not_optimized(self._model, self._optimizer),
            )

    def _weights(self) -> dict[str, torch.Tensor]:
        buffers = {name: buffer for name, buffer in self._model.named_buffers() if buffer.is_floating_point()}
        return {**dict(self._model.named_parameters()), **buffers}

    def _gradients(self) -> dict[str, torch.Tensor]:
        """Those of the step, where the parameters still hold them; else those of the loss on the probe."""
        given = {name: parameter.grad for name, parameter in self._model.named_parameters() if parameter.grad is not None}
        if given or self._loss_fn is None or self._targets is None:
            return given
        loss_fn = self._loss_fn
        return self._pass.run(lambda: self._on_the_probe(loss_fn))

    def _on_the_probe(self, loss_fn: LossFunction) -> dict[str, torch.Tensor]:
        trained = {name: parameter for name, parameter in self._model.named_parameters() if parameter.requires_grad}
        with torch.enable_grad():
            loss = loss_fn(self._run(), tree_map(self._placed, self._targets))
            gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        return {name: gradient for name, gradient in zip(trained, gradients, strict=True) if gradient is not None}


def _workers(model: nn.Module, inner: nn.Module, options: LoopKeywords) -> Workers | None:
    """Who trains the model together with this process; found out only where the user has not said so."""
    found = options.get("workers")
    if "workers" not in options and isinstance(model, nn.parallel.DistributedDataParallel) and is_distributed(model.process_group):
        found = workers_of(inner, model.process_group)
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
