"""Takes all that a due step was given, while the loop waits, and hands it over to be recorded behind the loop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tb_featuremap_plugin.arrays.tensors import dtype_name
from tb_featuremap_plugin.format import eventfile
from tb_featuremap_plugin.monitor.joined_layers import Joined, NotJoinedError, join_layers, plan_of
from tb_featuremap_plugin.monitor.layer_layouts import LayerLayouts, mergeable, rows_of_batch
from tb_featuremap_plugin.monitor.left_out import LeftOut
from tb_featuremap_plugin.monitor.network import Network, Rows, software_in_use
from tb_featuremap_plugin.monitor.network_changes import NetworkChanges
from tb_featuremap_plugin.monitor.options import MonitorOptions, check_training
from tb_featuremap_plugin.monitor.progress import Losses, Progress, loss_columns, rate_of
from tb_featuremap_plugin.monitor.record_builder import RecordBuilder
from tb_featuremap_plugin.monitor.schedule import TimeBudget
from tb_featuremap_plugin.monitor.sharded_weights import JoinedVariable, LocalVariable, ShardedWeights
from tb_featuremap_plugin.monitor.step_arguments import StepArguments, Tree
from tb_featuremap_plugin.monitor.step_data import ProbeLog, StepData, digest_of
from tb_featuremap_plugin.monitor.taking import Batch, Taker
from tb_featuremap_plugin.monitor.validation import ValidationLosses
from tb_featuremap_plugin.monitor.variable_table import VariableTable
from tb_featuremap_plugin.monitor.weight_reader import WeightReader, WeightsOfStep
from tb_featuremap_plugin.monitor.workers import Stand, Team, words
from tb_featuremap_plugin.recording import storage
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS, PROGRESS_COLUMNS, VARIABLE_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, LoopFacts, LossFacts, RunRecord
from tb_featuremap_plugin.writer import RunWriter


@dataclass(frozen=True)
class Training:
    """What the caller said of the training as a whole."""

    every: str
    loss: str | None
    from_logits: bool | None
    optimizer: str | None
    weight_decay: float | None
    loss_facts: LossFacts | None = None
    loop_facts: LoopFacts | None = None
    not_optimized: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()


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
        self.left_out = LeftOut()
        self._open_writer = open_writer
        self._writer: RunWriter | None = None
        self._closed_writer: RunWriter | None = None
        self._folder: str | None = None
        self._lost_before = 0
        self._stalled = False
        self._options = options
        self._training = Training(every, options.loss, options.from_logits, options.optimizer, options.weight_decay)
        self._budget = budget
        self._team = team
        self._told = team.ended
        self._layouts = LayerLayouts(options.layouts)
        self._take = Taker(self.left_out)
        table = VariableTable(self._layouts, self.left_out)
        self._weights = WeightReader(keep_first=options.keep_first, table=table, left_out=self.left_out, wait=self._wait)
        self._builder = RecordBuilder(options, budget, self._layouts, table, self.left_out, self._written_before)
        self._shards = ShardedWeights(team, keep_first=options.keep_first)
        self._network = Network(options.layers)
        self._layer_rows, self._variable_rows = Rows(), Rows()
        self._described: Sequence[Layer] = options.layers or ()
        self._replaced: set[str] = set()
        self._changes = NetworkChanges()
        self._probe = ProbeLog()
        self._logged_steps = 0
        self._first_step: int | None = None
        self.validation = ValidationLosses(self.left_out)

    def describe(self, layers: Sequence[Layer] | None, replaced: Iterable[str], training: Mapping[str, Any]) -> None:
        """Replaces what is known of the layers, where given, and of the training; and takes the names of variables that are others now."""
        changed = replace(self._training, **training)
        check_training(changed.loss, changed.from_logits, changed.optimizer, changed.weight_decay)
        self._training = changed
        if layers is not None:
            self._network = Network(layers)
            self._described = self._network.layers
        self._replaced.update(replaced)

    def read_weights(self, step: int, tree: Tree) -> None:
        """Keeps the weights of a step that is not logged itself, but compared with; workers that do not write keep their shards alone."""
        if self._team.writes or self._team.joins:
            whole = self._unsharded(step, tree)
            if self._team.writes:
                self._weights.read(step, whole)

    def record(self, step: int, call: StepArguments, losses: Losses) -> None:
        """Takes the arrays of a due step and queues its record; what cannot be read costs itself alone.

        Raises:
            NotJoinedError: other workers could not take part; what this one has is recorded.
        """
        started = self._budget.clock()
        if not (self._team.joins or self._team.writes):
            losses.take(step)
            self._tell_of_end(step)
            return
        whole = self._unsharded(step, call.weights)
        batch = self._take.batch(call)
        gradients: Mapping[str, Any] = {}
        if self._team.writes or self._shards.shapes:
            gradients = self._take.tensors(call.gradients, "gradients", may_be_empty=True) or {}
        joined = self._join(step, batch, gradients)
        if self._team.writes:
            self._submit(step, call, batch, joined, whole, gradients, losses, started)
        else:
            losses.take(step)
        self._tell_of_end(step)
        if joined.problem:
            raise NotJoinedError(f"nothing was joined over ranks at step {step}: {joined.problem}")

    def _unsharded(self, step: int, tree: Tree) -> dict[str, Any]:
        """The weights as their framework keeps them, without those of which each worker holds a part: these are copied."""
        tensors = self._take.tensors(tree, "weights") or {}
        whole = self.left_out.attempt("weights", lambda: self._shards.take(step, tensors))
        if whole is None:
            return tensors
        self._weights.dtypes.update({name: dtype_name(tensor) for name, tensor in tensors.items() if name not in whole})
        return whole

    def _submit(
        self,
        step: int,
        call: StepArguments,
        batch: Batch,
        joined: Joined,
        whole: Mapping[str, Any],
        gradients: Mapping[str, Any],
        losses: Losses,
        started: float,
    ) -> None:
        if self._writer is None:
            self._writer, self._closed_writer = self._open_writer(self._closed_writer), None
            self._folder = self._writer.logdir
        changed = bool(batch.inputs) and bool(self.left_out.attempt("inputs", lambda: self._probe.changed(step, batch.inputs)))
        self._network = self._network.with_names(batch.activations, [*whole, *joined.variables])
        slopes = {name: value for name, value in gradients.items() if name not in self._shards.shapes}
        network = self._network
        weights = self.left_out.attempt("weights", lambda: self._weights.take(step, whole, slopes, network)) or WeightsOfStep()
        self._weights.shapes.update({name: one.shape for name, one in joined.variables.items()})
        activations = {name: batch.activations[name] for name in self._network.order(batch.activations)}
        ordinals = self._layer_rows.counted([*rows_of_batch(batch.inputs, batch.targets), *activations])
        variables = self._network.order_variables([*weights.variables, *joined.variables])
        self._changes.note(step, self._described, self._replaced)
        self._replaced = set()
        data = StepData(
            step=step,
            variable_ordinals=self._variable_rows.counted(variables),
            about=self._about(),
            network=self._network,
            inputs=batch.inputs,
            targets=batch.targets,
            activations=activations,
            probe_changed=changed,
            weights=weights,
            joined=joined.layers,
            own_share=joined.own_share,
            sharded=joined.variables,
            ordinals=ordinals,
            losses=losses.take(step),
            progress=self._progress(step, losses, call, started),
        )
        self._writer.submit(step, lambda: self._builder.make(data), data.nbytes)
        self._warn_of_probe(step, changed)

    def _written_before(self) -> int:
        """Bytes of the event files that earlier sessions left in the run's folder; 0 for a URL. The writer may be closing meanwhile."""
        if self._folder is None:
            return 0
        return sum(size for name, size in storage.sizes(self._folder).items() if eventfile.is_own(name))

    def _wait(self) -> bool:
        """Waits until the record before this one is made; False if the storage hangs, and at once while it still does."""
        if self._writer is None:
            return True
        self._stalled = not (self._writer.settled or (not self._stalled and self._writer.settle()))
        return not self._stalled

    def flush(self) -> None:
        """Waits until all is handed to the operating system."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Writes what waits and closes the file."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._closed_writer = writer
            writer.close()
            self._lost_before += writer.dropped + writer.failed

    def _tell_of_end(self, step: int) -> None:
        if self._team.ended != self._told:
            self._told = self._team.ended
            raise NotJoinedError(f"nothing is joined over ranks from step {step} on: {self._told}")

    def _join(self, step: int, batch: Batch, gradients: Mapping[str, Any]) -> Joined:
        """Statistics over all workers; for a single process those of layers are made behind the loop."""
        shards = self._shards.measured(gradients)
        if not self._team.joins:
            return Joined(variables=self._shards.join(shards, self._is_kernel))
        shares = {}
        for row, array in {**rows_of_batch(batch.inputs, batch.targets), **batch.activations}.items():
            shares[row] = mergeable(self._layouts, row, array, self._network.layer(row))
        samples = digest_of(batch.inputs) if batch.inputs else ""
        stand = Stand(f"step {step}", plan_of(shares, shards), batch.problem, samples)
        self._team.met = True
        agreement = self._team.agree(stand)
        if agreement.outcome != "joined":
            rest = self._join_variables(step, shards) if agreement.all_planned and shards else {}
            return Joined(variables=rest, own_share=agreement.outcome != "failed", problem=agreement.reason)
        try:
            return Joined(join_layers(self._team, agreement, shares), self._shards.join(shards, self._is_kernel), own_share=False)
        except Exception as error:  # of the engine: a worker died, or the network did; nothing is joined from now on
            return Joined(problem=words(error))

    def _join_variables(self, step: int, shards: Mapping[str, LocalVariable]) -> Mapping[str, JoinedVariable]:
        """What is left to join where a rank could not run the probe."""
        agreement = self._team.agree(Stand(f"step {step}, variables", plan_of({}, shards)))
        found = self.left_out.attempt("weights", lambda: self._shards.join(shards, self._is_kernel)) if not agreement.reason else None
        return found or {}

    def _is_kernel(self, name: str, axes: int) -> bool:
        return self._layouts.kernel(name, axes, self._network.owner(name)) is not None

    def _about(self) -> RunRecord:
        training = self._training
        return RunRecord(
            layers=self._network.layers,
            layer_rows=self._layer_rows.names,
            layer_columns=LAYER_COLUMNS,
            variable_rows=self._variable_rows.names,
            variable_columns=VARIABLE_COLUMNS,
            progress_columns=PROGRESS_COLUMNS,
            variable_shapes=dict(self._weights.shapes),
            variable_dtypes=dict(self._weights.dtypes),
            loss=training.loss,
            from_logits=training.from_logits,
            optimizer=training.optimizer,
            weight_decay=training.weight_decay,
            loss_facts=training.loss_facts,
            loop_facts=training.loop_facts,
            not_optimized=training.not_optimized,
            unregistered=training.unregistered,
            probes=self._probe.entries,
            inputs_private=not self._options.record_inputs,
            every=training.every,
            versions=software_in_use(),
            changes=self._changes.entries,
        )

    def _progress(self, step: int, losses: Losses, call: StepArguments, started: float) -> Progress:
        self._logged_steps += 1
        self._first_step = step if self._first_step is None else self._first_step
        rate = self.left_out.attempt("learning_rate", lambda: rate_of(call.learning_rate, step))
        lost = self._lost_before + (self._writer.dropped + self._writer.failed if self._writer is not None else 0)
        return Progress(
            logged_steps=self._logged_steps,
            seen_steps=self.seen_steps,
            log_seconds=self._budget.log_seconds,
            train_seconds=self._budget.train_seconds,
            dropped_records=lost + self.failures,
            learning_rate=math.nan if rate is None else rate,
            step_log_seconds=self._budget.clock() - started,
            stretch=self._budget.stretch(),
            first_step=self._first_step,
            **loss_columns(losses.summary),
            **self.validation.columns(),
        )

    def _warn_of_probe(self, step: int, changed: bool) -> None:
        if changed and self._probe.changes == 1:
            warnings.warn(
                f"the probe inputs changed at step {step}: feature maps before and after it are not of the same inputs; "
                "log the same batch each time",
                RuntimeWarning,
                stacklevel=6,
            )
