"""Keras 3: a callback that logs from `fit`, and the collectives of `tf.distribute` for custom loops."""

from tb_featuremap_plugin.integrations.keras.callback import FeatureMapCallback
from tb_featuremap_plugin.integrations.keras.workers import workers

__all__ = ["FeatureMapCallback", "workers"]
