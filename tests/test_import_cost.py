"""Whoever only logs, looks or asks does not pay for a framework, even where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPORT = """
import sys
loaded = sorted(set(sys.modules) & {"tensorflow", "keras", "torch", "jax", "jaxlib", "sklearn", "scipy", "matplotlib", "pandas"})
assert not loaded, f"loaded: {loaded}"
"""
IMPORT = "import tb_featuremap_plugin as fm; fm.__version__; fm.Layer; fm.Monitor; fm.Writer; fm.summary"
WRITE = """
import numpy as np, tb_featuremap_plugin as fm
with fm.Writer(sys.argv[1]) as writer:
    writer.feature_maps("conv1", np.zeros((1, 4, 4, 2), np.float32), step=0)
    writer.filters("conv1/kernel", np.zeros((3, 3, 1, 2), np.float32), step=0)
    writer.weight_change("conv1/kernel", np.ones(3), np.zeros(3), step=1)
with fm.Monitor(sys.argv[1] + "/monitor") as monitor:
    monitor.log(0, inputs=np.zeros((2, 4)), activations={"a": np.zeros((2, 4))}, weights={"w": np.zeros(4)}, loss=1.0)
"""
BACKEND = """
from tensorboard.plugins.base_plugin import TBContext
from tb_featuremap_plugin.server.loader import FeatureMapsLoader
plugin = FeatureMapsLoader().load(TBContext(data_provider=object()))
assert plugin.get_plugin_apps()
"""
COMMANDS = """
import contextlib, io
from tb_featuremap_plugin.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["diagnose", sys.argv[1]]) == 0
    main(["doctor", sys.argv[1]])
    assert main(["pack", sys.argv[1], "-o", sys.argv[1] + ".zip"]) == 0
    assert main(["diagnose", sys.argv[1] + ".zip"]) == 0
"""


@pytest.mark.parametrize("program", [IMPORT, WRITE, BACKEND, WRITE + COMMANDS], ids=["import", "writer", "backend", "command line"])
def test_loads_no_framework(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"import sys\n{program}\n{REPORT}", str(tmp_path / "run")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
