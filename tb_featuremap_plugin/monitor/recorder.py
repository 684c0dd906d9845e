"""Takes all that a due step was given, while the loop waits, and hands it over to be recorded behind the loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from tb_featuremap_plugin.arrays.tensors import dtype_name
from tb_featuremap_plugin.monitor.joined_layers import Joined, NotJoinedError, join_layers, plan_of
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, mergeable, rows_of_batch
from tb_featuremap_plugin.monitor.network import Network, Rows, software_in_use
from tb_featuremap_plugin.monitor.options import MonitorOptions, check_training
from tb_featuremap_plugin.monitor.progress import Losses, Progress, as_number, loss_columns
from tb_featuremap_plugin.monitor.record_builder import RecordBuilder
from tb_featuremap_plugin.monitor.schedule import TimeBudget
from tb_featuremap_plugin.monitor.sharded_weights import ShardedWeights
from tb_featuremap_plugin.monitor.snapshots import First, Read
from tb_featuremap_plugin.monitor.step_arguments import (
    SINGLE_ACTIVATION,
    SINGLE_INPUT,
    SINGLE_TARGET,
    StepArguments,
    Tree,
    flat,
    resolve,
    snapshots,
)
from tb_featuremap_plugin.monitor.step_data import ProbeLog, StepData, digest_of
from tb_featuremap_plugin.monitor.workers import Stand, Team, words
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, PROGRESS_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, LossFacts, RunRecord
from tb_featuremap_plugin.writer import RunWriter

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Training:
    """What the caller said of the training as a whole."""

    every: str
    loss: str | None
    from_logits: bool | None
    optimizer: str | None
    weight_decay: float | None
    loss_facts: LossFacts | None = None
    not_optimized: tuple[str, ...] = ()


class Recorder:
    """Prepares one `StepData` a logged step and submits it to the writer.

    Args:
        open_writer: makes the writer, of the closed one that it goes on with if there is one; called before the first record, and after
            `close` before the next, on the first worker alone.
        options: of the monitor.
        every: the schedule in words.
        budget: measures what logging takes.
        team: who train together.
    """

    def __init__(
        self,
        open_writer: Callable[[RunWriter | None], RunWriter],
        options: MonitorOptions,
        every: str,
        budget: TimeBudget,
        team: Team,
    ) -> None:
        self.seen_steps = 0
        self.failures = 0
        self._open_writer = open_writer
        self._writer: RunWriter | None = None
        self._closed_writer: RunWriter | None = None
        self._lost_before = 0
        self._options = options
        self._training = Training(every, options.loss, options.from_logits, options.optimizer, options.weight_decay)
        self._budget = budget
        self._team = team
        self._told = team.ended
        self._builder = RecordBuilder(options, budget)
        self._layouts = LayerLayouts(options.layouts)
        self._shards = ShardedWeights(team, keep_first=options.keep_first)
        self._network = Network(options.layers)
        self._layer_rows, self._variable_rows = Rows(), Rows()
        self._probe = ProbeLog()
        self._logged_steps = 0
        self._first_step: int | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._dtypes: dict[str, str] = {}

    def describe(self, layers: Sequence[Layer] | None, training: Mapping[str, Any]) -> None:
        """Replaces what is known of the layers, where given, and of the training."""
        changed = replace(self._training, **training)
        check_training(changed.loss, changed.from_logits, changed.optimizer, changed.weight_decay)
        self._training = changed
        if layers is not None:
            self._network = Network(layers)

    def read_weights(self, step: int, tree: Tree) -> Mapping[str, Array]:
        """Copies of the weights by flat names, sharded ones left out; workers that do not write copy their shards alone."""
        if not (self._team.writes or self._team.joins):
            return {}
        tensors = flat(tree, "weights", "weights")
        whole = self._shards.take(step, tensors)
        if not self._team.writes:
            return {}
        self._dtypes.update((name, dtype_name(tensor)) for name, tensor in tensors.items() if name not in self._dtypes)
        return snapshots(whole, "weights")

    def record(self, step: int, call: StepArguments, reads: tuple[Read, ...], first: Mapping[str, First], losses: Losses) -> None:
        """Takes the arrays of a due step and queues its record.

        Raises:
            NotJoinedError: other workers could not take part; what this one has is recorded.
        """
        started = self._budget.clock()
        if not (self._team.joins or self._team.writes):
            losses.take(step)
            self._tell_of_end(step)
            return
        batch = _Batch.take(call)
        gradients: Mapping[str, Any] = {}
        if self._team.writes or self._shards.shapes:
            gradients = flat(call.gradients, "gradients", "gradients", may_be_empty=True)
        joined = self._join(step, batch, gradients)
        if self._team.writes:
            self._submit(step, call, batch, joined, reads, first, gradients, losses, started)
        else:
            losses.take(step)
        self._tell_of_end(step)
        if joined.problem:
            raise NotJoinedError(f"nothing was joined over workers at step {step}: {joined.problem}")

    def _submit(
        self,
        step: int,
        call: StepArguments,
        batch: _Batch,
        joined: Joined,
        reads: tuple[Read, ...],
        first: Mapping[str, First],
        gradients: Mapping[str, Any],
        losses: Losses,
        started: float,
    ) -> None:
        if self._writer is None:
            self._writer, self._closed_writer = self._open_writer(self._closed_writer), None
        changed = bool(batch.inputs) and self._probe.changed(step, batch.inputs)
        shapes = {name: array.shape for name, array in reads[-1].values.items()} | {
            name: one.shape for name, one in joined.variables.items()
        }
        self._learn(batch, shapes)
        data = StepData(
            step=step,
            about=self._about(),
            network=self._network,
            inputs=batch.inputs,
            targets=batch.targets,
            activations={name: batch.activations[name] for name in self._network.order(batch.activations)},
            gradients=snapshots({name: value for name, value in gradients.items() if name not in self._shards.shapes}, "gradients"),
            probe_changed=changed,
            reads=reads,
            first=first,
            joined=joined.layers,
            own_share=joined.own_share,
            sharded=joined.variables,
            ordinals=self._count(batch, shapes),
            losses=losses.take(step),
            progress=self._progress(step, losses, call, started),
        )
        self._writer.submit(step, lambda: self._builder.make(data), data.nbytes)
        self._warn_of_probe(step, changed)

    def raise_problem(self) -> None:
        """Raises what went wrong behind the loop since the last call, if anything did."""
        if self._builder.problems:
            problem, self._builder.problems = self._builder.problems[0], []
            raise problem

    def flush(self) -> None:
        """Waits until all is handed to the operating system."""
        if self._writer is not None:
            self._writer.flush()
        self.raise_problem()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._closed_writer = writer
            writer.close()
            self._lost_before += writer.dropped + writer.failed
        self.raise_problem()

    def _tell_of_end(self, step: int) -> None:
        if self._team.ended != self._told:
            self._told = self._team.ended
            raise NotJoinedError(f"nothing is joined over workers from step {step} on: {self._told}")

    def _join(self, step: int, batch: _Batch, gradients: Mapping[str, Any]) -> Joined:
        """Statistics over all workers; for a single process those of layers are made behind the loop."""
        shards = self._shards.measured(gradients)
        if not self._team.joins:
            return Joined(variables=self._shards.join(shards, self._is_kernel))
        shares = {}
        for row, array in {**rows_of_batch(batch.inputs, batch.targets), **batch.activations}.items():
            shares[row] = mergeable(self._layouts, row, array, self._network.layer(row))
        stand = Stand(f"step {step}", plan_of(shares, shards), samples=digest_of(batch.inputs) if batch.inputs else "")
        self._team.met = True
        agreement = self._team.agree(stand)
        if agreement.outcome != "joined":
            return Joined(own_share=agreement.outcome != "failed", problem=agreement.reason)
        try:
            return Joined(join_layers(self._team, agreement, shares), self._shards.join(shards, self._is_kernel), own_share=False)
        except Exception as error:  # of the engine: a worker died, or the network did; nothing is joined from now on
            return Joined(problem=words(error))

    def _is_kernel(self, name: str, axes: int) -> bool:
        return self._layouts.kernel(name, axes, self._network.owner(name)) is not None

    def _learn(self, batch: _Batch, weights: Mapping[str, tuple[int, ...]]) -> None:
        self._network = self._network.with_names(batch.activations, weights)
        self._layer_rows.extend([*rows_of_batch(batch.inputs, batch.targets), *self._network.order(batch.activations)])
        self._variable_rows.extend(self._network.order_variables(weights))
        self._shapes.update(weights)

    def _count(self, batch: _Batch, weights: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        rows = [*rows_of_batch(batch.inputs, batch.targets), *batch.activations]
        return {row: self._layer_rows.count(row) for row in rows} | {name: self._variable_rows.count(name) for name in weights}

    def _about(self) -> RunRecord:
        training = self._training
        return RunRecord(
            layers=self._network.layers,
            layer_rows=self._layer_rows.names,
            layer_columns=LAYER_COLUMNS,
            variable_rows=self._variable_rows.names,
            variable_columns=VARIABLE_COLUMNS,
            progress_columns=PROGRESS_COLUMNS,
            variable_shapes=dict(self._shapes),
            variable_dtypes=dict(self._dtypes),
            loss=training.loss,
            from_logits=training.from_logits,
            optimizer=training.optimizer,
            weight_decay=training.weight_decay,
            loss_facts=training.loss_facts,
            not_optimized=training.not_optimized,
            probes=self._probe.entries,
            inputs_private=not self._options.record_inputs,
            every=training.every,
            versions=software_in_use(),
        )

    def _progress(self, step: int, losses: Losses, call: StepArguments, started: float) -> Progress:
        self._logged_steps += 1
        self._first_step = step if self._first_step is None else self._first_step
        rate = resolve(call.learning_rate)
        lost = self._lost_before + (self._writer.dropped + self._writer.failed if self._writer is not None else 0)
        return Progress(
            logged_steps=self._logged_steps,
            seen_steps=self.seen_steps,
            log_seconds=self._budget.log_seconds,
            train_seconds=self._budget.train_seconds,
            dropped_records=lost + self.failures,
            learning_rate=float("nan") if rate is None else as_number(rate),
            step_log_seconds=self._budget.clock() - started,
            stretch=self._budget.stretch(),
            first_step=self._first_step,
            **loss_columns(losses.summary),
        )

    def _warn_of_probe(self, step: int, changed: bool) -> None:
        if changed and self._probe.changes == 1:
            warnings.warn(
                f"the probe inputs changed at step {step}: feature maps before and after it are not of the same inputs; "
                "log the same batch each time",
                RuntimeWarning,
                stacklevel=6,
            )


@dataclass(frozen=True)
class _Batch:
    """The probe and what the layers made of it."""

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    activations: Mapping[str, Array]

    @classmethod
    def take(cls, call: StepArguments) -> _Batch:
        """Copies of what the call was given."""
        return cls(
            snapshots(flat(call.inputs, "inputs", SINGLE_INPUT), "inputs"),
            snapshots(flat(call.targets, "targets", SINGLE_TARGET), "targets"),
            snapshots(flat(call.activations, "activations", SINGLE_ACTIVATION), "activations"),
        )
