"""Programs of others read and write logdirs through `tests/cases_kit.py`, as a file, without this repository's test helpers."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("cases_kit", sys.argv[1])
kit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kit)
import numpy as np
import tb_featuremap_plugin as fm

folder = sys.argv[2]
with fm.Monitor(folder, every=1, strict=True) as monitor:
    monitor.log(0, inputs=np.ones((1, 2, 2, 1)), activations={"conv": np.ones((1, 2, 2, 3), np.float32)}, loss=1.0)
with fm.Writer(folder + "/own") as writer:
    writer.submit(3, lambda: [kit.blob_value(kit.metadata.RUN_TAG, kit.run_record.encode(kit.RunRecord(notes=("mine",))))])
    writer.submit(4, lambda: [kit.table_value(kit.metadata.LAYERS_TAG, np.ones((1, 30), np.float32))])
source = kit.EventSource(folder)
assert source.run("own").record.notes == ("mine",), source.run("own")
assert kit.record.decode(source.picture("featuremaps", "maps", "conv", 0)).header["name"] == "conv"
assert kit.eventfile.is_own("events.out.tfevents.1" + kit.eventfile.SUFFIX)
assert len(kit.map_runs(folder, repr)) == 2
assert kit.metadata.blob_metadata().plugin_data.plugin_name == "featuremaps"
sys.exit(kit.main(["diagnose", folder]))
"""


def test_a_program_outside_the_repository_works_through_the_kit(repository, tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(repository / "tests" / "cases_kit.py"), str(tmp_path / "logs")]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "Run" in finished.stdout
