"""What programs outside of this repository read and write logdirs with: these names stay wherever the modules behind them move."""

from types import SimpleNamespace

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.format import eventfile, record, run_record
from tb_featuremap_plugin.format.values import blob_metadata, blob_value, content_version, table_value, tensor_metadata
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.reading.parallel import map_runs
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.network import RunRecord

metadata = SimpleNamespace(
    **{name: value for name, value in vars(tags).items() if not name.startswith("_")},
    blob_metadata=blob_metadata,
    tensor_metadata=tensor_metadata,
    content_version=content_version,
)
"""Names of tags, as `metadata.RUN_TAG`, and what marks a series as ours."""

__all__ = [
    "EventSource",
    "RunRecord",
    "blob_value",
    "eventfile",
    "main",
    "map_runs",
    "metadata",
    "record",
    "run_record",
    "table_value",
]
