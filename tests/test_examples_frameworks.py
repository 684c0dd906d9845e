"""The complete program of each framework runs, and what it logs is whole."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.monitored import picture_names, read_run

FOLDER = Path(__file__).parent.parent / "examples" / "frameworks"
EXAMPLES = {
    "keras_fit": (["keras", "tensorflow", "sklearn"], ["featuremaps"], 5),
    "tensorflow_loop": (["tensorflow", "sklearn"], ["featuremaps"], 2),
    "pytorch": (["torch", "sklearn"], ["featuremaps"], 6),
    "trainer_callback": (["torch", "sklearn"], ["lightning/featuremaps", "trainer/featuremaps"], 3),
    "jax_plain": (["jax", "sklearn"], ["featuremaps"], 2),
    "flax_nnx": (["flax", "optax", "sklearn"], ["featuremaps"], 3),
    "equinox_vmap": (["equinox", "optax", "sklearn"], ["featuremaps"], 2),
}


def test_every_program_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_program_logs_everything(name: str, tmp_path: Path) -> None:
    modules, runs, maps = EXAMPLES[name]
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    command = [sys.executable, "-W", "error::RuntimeWarning", "-W", "error::ResourceWarning", str(FOLDER / f"{name}.py"), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "tensorflow"}
    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for run_name in runs:
        assert_whole(read_run(tmp_path, run_name), maps)
    if name == "keras_fit":
        assert list((tmp_path / "train").glob("*tfevents*")), "Keras' own callback wrote nothing beside ours"


def assert_whole(run, maps: int) -> None:
    """Numbers of every step logged, single updates exact, maps and filters of every layer that has any."""
    steps = run.variables.steps.tolist()
    assert steps[:3] == [0, 1, 2]
    assert steps == run.layers.steps.tolist() == run.progress.steps.tolist()
    gaps = run.variables.column(run.variables.rows[0], "gap")[1:-1]
    assert set(gaps.tolist()) == {1.0}
    assert len(picture_names(run, "maps")) == maps
    kernels = {name for name, shape in run.record.variable_shapes.items() if len(shape) > 1}
    assert kernels
    assert picture_names(run, "filters") == kernels
    assert picture_names(run, "inputs") == {"input"}
    assert not run.record.notes
