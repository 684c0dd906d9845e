"""The steps of a run at which something begins, and which are therefore worth sending."""

from __future__ import annotations

from tb_featuremap_plugin.reading.run import Source
from tb_featuremap_plugin.server import api


def key_steps(source: Source) -> dict[str, list[int]]:
    """By run, the steps at which its findings begin."""
    return {run["run"]: [finding["first_step"] for finding in run["findings"]] for run in api.diagnosis(source)["runs"]}
