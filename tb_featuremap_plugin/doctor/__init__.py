"""Why the tab is empty or thin: what a logdir holds, what of it was lost, and what to do about it."""

from __future__ import annotations

from tb_featuremap_plugin.doctor.checkup import Checkup, RunCheckup, check_up
from tb_featuremap_plugin.doctor.remarks import Remark

__all__ = ["Checkup", "Remark", "RunCheckup", "check_up"]
