"""The entry point. TensorBoard stops if it cannot be imported or if `fix_flags` raises, so it is light and forgiving."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tensorboard.plugins import base_plugin

from tb_featuremap_plugin.schema.tags import PLUGIN_NAME, STATS_PLUGIN_NAME

if TYPE_CHECKING:
    from argparse import Namespace

    from tb_featuremap_plugin.server.plugin import FeatureMapsPlugin

SAMPLES = {PLUGIN_NAME: 100, STATS_PLUGIN_NAME: 1000}
"""Steps that TensorBoard keeps of each series unless the user says otherwise; of an unknown plugin's it would keep 10."""

_logger = logging.getLogger(__name__)


class FeatureMapsLoader(base_plugin.TBLoader):  # type: ignore[misc]
    """Raises the sampling of our two plugin names, and makes the plugin."""

    def fix_flags(self, flags: Namespace) -> None:
        """Sets how many steps are kept, where the user has not set it."""
        samples: Any = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            for plugin_name, count in SAMPLES.items():
                samples.setdefault(plugin_name, count)

    def load(self, context: base_plugin.TBContext) -> FeatureMapsPlugin | None:
        """The plugin; None, with a warning, where it cannot be made."""
        try:
            from tb_featuremap_plugin.server.plugin import FeatureMapsPlugin

            return FeatureMapsPlugin(context)
        except Exception as error:
            _logger.warning("The Feature Maps tab could not be loaded: %s", error)
            return None
