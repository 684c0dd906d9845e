"""The collectives of `torch.distributed`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from tb_featuremap_plugin.monitor.workers import Reduction, Workers


class TorchWorkers:
    """The processes of a group of `torch.distributed`, by default all.

    Args:
        group: whose processes train the model together.
    """

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        self._group = group
        self.rank = distributed.get_rank(group)
        self.size = distributed.get_world_size(group)
        on_gpu = distributed.get_backend(group) == "nccl"
        self._device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")

    def all_reduce(self, values: npt.NDArray[np.float64], how: Reduction) -> npt.NDArray[np.float64]:
        """Joins an array of equal shape on all workers, entry by entry."""
        tensor = torch.from_numpy(values.copy()).to(self._device)
        operation = distributed.ReduceOp.SUM if how == "sum" else distributed.ReduceOp.MAX
        distributed.all_reduce(tensor, operation, group=self._group)
        joined: npt.NDArray[np.float64] = tensor.cpu().numpy()
        return joined


def workers(group: distributed.ProcessGroup | None = None) -> Workers | None:
    """The processes that train together, for `Monitor(workers=...)`; None where `torch.distributed` does not run.

    Args:
        group: by default all processes.
    """
    running = distributed.is_available() and distributed.is_initialized()
    return TorchWorkers(group) if running and distributed.get_world_size(group) > 1 else None
