"""PyTorch: a watcher for training loops, and the collectives of `torch.distributed`."""

from tb_featuremap_plugin.integrations.torch.watcher import Watcher, watch
from tb_featuremap_plugin.integrations.torch.workers import workers

__all__ = ["Watcher", "watch", "workers"]
