"""What holds for all tests: quiet frameworks on few threads, the long ones only when asked for, and no test left out silently."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.environments import Environment

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "2", "KERAS_BACKEND": "tensorflow", "JAX_PLATFORMS": "cpu"}
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)

LONG = ("exhaustive", "soak")
REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the switches that `make test-all` and `make soak` give."""
    parser.addoption("--exhaustive", action="store_true", help="also run tests marked exhaustive")
    parser.addoption("--soak", action="store_true", help="also run tests marked soak")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the long tests unless they are asked for."""
    unwanted = {name for name in LONG if not config.getoption(name)}
    left_out = [item for item in items if unwanted & {mark.name for mark in item.iter_markers()}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_report_header() -> str:
    """The versions that matter when a test fails elsewhere."""
    names = ("tensorboard", "numpy", "protobuf", "tensorflow", "keras", "torch", "jax", "playwright")
    versions = {name: _version(name) for name in names}
    return "versions: " + ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says in a line each how many tests were left out, and why: a green run that skipped half is not a green run."""
    for reason, count in sorted(_reasons(terminalreporter).items()):
        terminalreporter.write_line(f"LEFT OUT: {count} test{'s' * (count != 1)}: {reason}", yellow=True, bold=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where REQUIRE_ALL is set, a test that was left out is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("REQUIRE_ALL") and session.exitstatus == 0 and reporter and _reasons(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def demo_logdir(repository: Path) -> Path:
    """The logdir that is committed."""
    return repository / "demo_logdir"


@pytest.fixture(scope="session")
def clean_environment(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Environment:
    """A fresh environment with the wheel of this checkout and what it requires: no framework, no Node, no checkout.

    Where processes share the tests, the first that needs it makes it for all.
    """
    from filelock import FileLock

    from tests.support import environments

    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "clean"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            wheel = environments.build("wheel", environments.copy_sources(folder / "sources"), folder)
            environments.make_environment(folder / "environment", str(wheel))
            (folder / "made").touch()
    return environments.Environment(folder / "environment")


def _reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    reports = [report.longrepr for report in reporter.stats.get("skipped", [])]
    return Counter(str(reason[2] if isinstance(reason, tuple) else reason).removeprefix("Skipped: ") for reason in reports)


def _version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
