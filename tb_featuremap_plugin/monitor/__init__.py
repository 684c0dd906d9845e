"""Logging from a training loop of any kind: schedule, snapshots of weights, losses, budgets."""

from tb_featuremap_plugin.monitor.monitor import Monitor

__all__ = ["Monitor"]
