"""The collectives of `tf.distribute`, for custom loops."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_featuremap_plugin.monitor.workers import Reduction, Workers


class TensorFlowWorkers:
    """The processes of a strategy that runs on several workers.

    Args:
        strategy: a `MultiWorkerMirroredStrategy`.
    """

    def __init__(self, strategy: Any) -> None:
        resolver = strategy.cluster_resolver
        self.rank = int(resolver.task_id)
        self.size = len(resolver.cluster_spec().as_dict()["worker"])
        self._sum = _summing(strategy)

    def all_reduce(self, values: npt.NDArray[np.float64], how: Reduction) -> npt.NDArray[np.float64]:
        """Joins an array of equal shape on all workers, entry by entry.

        TensorFlow's collectives know sums and means alone: for the largest, each worker adds a row of its own to a table of zeros.
        """
        if how == "sum":
            total: npt.NDArray[np.float64] = self._sum(values.ravel())
            return total.reshape(values.shape)
        table = np.zeros((self.size, values.size))
        table[self.rank] = values.ravel()
        largest: npt.NDArray[np.float64] = self._sum(table.ravel()).reshape(table.shape).max(axis=0)
        return largest.reshape(values.shape)


def workers(strategy: Any) -> Workers | None:
    """The processes that train together, for `Monitor(workers=...)`; None for a strategy that runs in one process.

    Args:
        strategy: of `tf.distribute`. What its replicas hold in one process (`PerReplica`) needs nothing: `Monitor` joins it.
    """
    resolver = getattr(strategy, "cluster_resolver", None)
    several = resolver is not None and len(resolver.cluster_spec().as_dict().get("worker", ())) > 1
    return TensorFlowWorkers(strategy) if several else None


def _summing(strategy: Any) -> Any:
    """A function that sums vectors over processes; of several replicas in a process, the first speaks."""
    tf = importlib.import_module("tensorflow")
    local = strategy.num_replicas_in_sync // len(strategy.cluster_resolver.cluster_spec().as_dict()["worker"])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float64)])  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def total(vector: Any) -> Any:
        def contribute() -> Any:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % local == 0
            own = tf.cond(tf.cast(first, tf.bool), lambda: vector, lambda: tf.zeros_like(vector))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, own)

        return strategy.experimental_local_results(strategy.run(contribute))[0]

    return lambda vector: total(tf.constant(vector, tf.float64)).numpy()
