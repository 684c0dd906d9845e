"""Runs the tests that need no framework in environments at the edges of what is supported.

Each environment is made anew below `.venv-compatibility`, without TensorFlow. A Python that is not on this machine is left out, and said.
All environments at the same time: making one waits for the network and the disk, and its tests use one core. What they print comes in one
piece, when they have ended.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-compatibility"
AT_A_TIME = 3
TOOLS = ("pytest>=8", "pytest-timeout", "hypothesis", "fsspec", "psutil")
CORE = (
    *("arrays", "assemble", "compatibility", "eventfile", "events", "golden", "http", "import_cost", "kernels", "layouts", "loader"),
    *("monitor", "pictures", "queries", "record", "run_record", "schedule", "served", "summary", "tiles", "writer"),
)
"""What depends on Python, NumPy, protobuf and TensorBoard; the rest of the tests does not run differently elsewhere."""

WITHOUT = "not browser and not network and not tensorflow and not torch and not jax"


@dataclass(frozen=True)
class Environment:
    """A Python and what is pinned in it."""

    name: str
    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()


ENVIRONMENTS = (
    Environment("oldest", ("3.10", "3.11"), ("tensorboard==2.15.0", "numpy==1.26.0", "setuptools<82")),
    Environment("newest", ("3.13", "3.12"), ("tensorboard==2.21.*", "numpy>=2.1")),
    Environment("python3.12", ("3.12",), ("tensorboard==2.20.*", "setuptools<82")),
)


def find_python(version: str) -> str | None:
    """An interpreter of this version that really runs: a pyenv shim may stand for one that is not switched on."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates = [shutil.which(f"python{version}"), *map(str, installed)]
    return next((path for path in candidates if path and _version(path) == version), None)


def build() -> Path:
    """The wheel of this checkout, made once: builds at the same time would write into each other's `build/`."""
    shutil.rmtree(FOLDER / "wheel", ignore_errors=True)
    pip = [str(ROOT / "tools" / "retry"), sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    _run([*pip, "--wheel-dir", str(FOLDER / "wheel"), str(ROOT)])
    (wheel,) = (FOLDER / "wheel").glob("*.whl")
    return wheel


def install(environment: Environment, python: str, wheel: Path) -> Path:
    """Makes the environment; returns its interpreter."""
    folder = FOLDER / environment.name
    shutil.rmtree(folder, ignore_errors=True)
    _run([python, "-m", "venv", str(folder)])
    interpreter = folder / "bin" / "python"
    _run([str(ROOT / "tools" / "retry"), str(interpreter), "-m", "pip", "install", "--quiet", *environment.pins, *TOOLS, str(wheel)])
    return interpreter


def check(environment: Environment, wheel: Path, arguments: Sequence[str]) -> bool | None:
    """True if the tests pass there, False if not, None if there is no such Python here."""
    python = next(filter(None, map(find_python, environment.pythons)), None)
    if python is None:
        print(f"LEFT OUT: {environment.name}: no Python {' or '.join(environment.pythons)} on this machine")
        return None
    started = time.monotonic()
    print(f"--- {environment.name}: {python}, {', '.join(environment.pins)}", flush=True)
    interpreter = install(environment, python, wheel)
    tests = arguments or [f"tests/test_{name}.py" for name in CORE]
    command = [str(interpreter), "-m", "pytest", "-q", "-m", WITHOUT, "-p", "no:cacheprovider", *tests]
    tested = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    passed = tested.returncode == 0
    verdict = f"--- {environment.name}: {'passed' if passed else 'FAILED'} after {time.monotonic() - started:.0f} s"
    print(f"{tested.stdout}{verdict}", flush=True)
    return passed


def _version(python: str) -> str:
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", question], capture_output=True, text=True, check=False).stdout.strip()


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def main() -> int:
    """Checks all environments; fails if one did, or if there was none."""
    wheel = build()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(lambda environment: check(environment, wheel, sys.argv[1:]), ENVIRONMENTS))
    return 1 if False in results or True not in results else 0


if __name__ == "__main__":
    sys.exit(main())
