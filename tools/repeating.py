"""A plugin for pytest, loaded with `-p tools.repeating`: finds the tests that start something, and runs tests many times in a row.

`--note-starters FILE` writes the names of the tests that started a process or a thread, themselves or through a fixture of theirs, one a
line. `--repeat N` runs every test N times.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"}
started = 0
starting_fixtures: set[int] = set()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the two switches."""
    parser.addoption("--note-starters", help="write which tests start processes or threads to this file")
    parser.addoption("--repeat", type=int, default=1, help="run every test so many times in a row")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every repetition is a test of its own; fixtures of a module are made once for all of them."""
    times: int = metafunc.config.getoption("--repeat")
    if times > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(1, times + 1), ids=lambda number: f"time{number}", indirect=True)


@pytest.fixture
def repetition(request: pytest.FixtureRequest) -> int:
    """Which time it is."""
    return int(request.param)


def pytest_configure(config: pytest.Config) -> None:
    """Listens to what Python says it starts; of threads, Python 3.11 says nothing."""
    if config.getoption("--note-starters"):
        sys.addaudithook(_count)
        threading.Thread.start = _counted(threading.Thread.start)  # type: ignore[method-assign,assignment]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Remembers the fixtures that start something: who shares one later uses it as well."""
    before = started
    result = yield
    if started > before:
        starting_fixtures.add(id(fixturedef))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Says in the test's report whether anything was started for it."""
    before = started
    try:
        return (yield)
    finally:
        used = getattr(item, "_request", None)
        definitions = used._fixture_defs.values() if used else ()
        if started > before or starting_fixtures & {id(each) for each in definitions}:
            item.user_properties.append(("starts", True))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collects the names where the results of all workers arrive."""
    if report.when == "call" and dict(report.user_properties).get("starts"):
        _noted.add(report.nodeid.partition("[")[0])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the names."""
    wanted: str | None = session.config.getoption("--note-starters")
    if wanted and not hasattr(session.config, "workerinput"):
        file = Path(wanted)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{name}\n" for name in sorted(_noted)), encoding="utf-8")


def _counted(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def counted(thread: threading.Thread) -> None:
        global started
        started += 1
        start(thread)

    return counted


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    global started
    started += event in STARTS


_noted: set[str] = set()
