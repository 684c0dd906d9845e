"""JAX: a watcher for training loops of plain JAX, Flax (linen and nnx), Equinox and Haiku."""

from tb_featuremap_plugin.integrations.jax.watcher import Watcher, watch

__all__ = ["Watcher", "watch"]
