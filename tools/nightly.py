"""What is too long for every change: `make nightly`, three hours at most, and a call that was stopped goes on where it was.

The whole suite once beside six busy processes, the tests marked exhaustive and soak, and then every test that starts a process or a thread
twenty times in a row, beside six busy processes again. What the last stage does not get through in its time comes first the next night.
Results are kept by commit in `build/nightly`; the last one is written into docs/contributing.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "nightly"
STARTERS = FOLDER / "starters.txt"
REPEATED = FOLDER / "repeated.json"
PAGE = ROOT / "docs" / "contributing.md"
MARKED = re.compile(r"(?<=<!-- nightly -->\n).*?(?=<!-- /nightly -->)", re.S)
SECONDS = 3 * 3600
SHORTEST = 120
BUSY = 6
TIMES = 20
PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "tools.repeating")


@dataclass(frozen=True)
class Stage:
    """A run of pytest, with the minutes it may take, and whether six busy processes run beside it."""

    name: str
    arguments: tuple[str, ...]
    minutes: int
    busy: bool = False


FIXED = (
    Stage("suite under load", ("--note-starters", str(STARTERS)), 60, busy=True),
    Stage("exhaustive", ("--exhaustive", "-m", "exhaustive"), 60),
    Stage("soak", ("--soak", "-m", "soak"), 60),
)


class State:
    """What was done at this commit, in a file that is written after every stage."""

    def __init__(self, commit: str) -> None:
        self.commit = commit
        self.logs = FOLDER / commit
        self._file = FOLDER / f"{commit}.json"
        self.done: dict[str, dict[str, Any]] = _read(self._file)

    @property
    def seconds(self) -> float:
        """How long all that was done took."""
        return sum(float(entry["seconds"]) for entry in self.done.values())

    def left(self) -> float:
        """Seconds of the three hours that are left."""
        return SECONDS - self.seconds

    def add(self, stage: Stage, result: str, seconds: float) -> None:
        """Notes a stage that ended."""
        self.done[stage.name] = {"result": result, "seconds": round(seconds)}
        _write(self._file, self.done)

    def failed(self) -> list[str]:
        """Names of the stages that did not pass; one that the end of the three hours cut off says nothing."""
        return [name for name, entry in self.done.items() if entry["result"] in ("failed", "out of time")]

    def missing(self) -> list[str]:
        """Names of the long stages that have not ended."""
        return [stage.name for stage in FIXED if self.done.get(stage.name, {}).get("result", "cut off") == "cut off"]


def repeats() -> list[Stage]:
    """A stage a file with tests that start something; those that were last repeated longest ago come first."""
    names = STARTERS.read_text(encoding="utf-8").split() if STARTERS.exists() else []
    files: dict[str, list[str]] = {}
    for name in names:
        files.setdefault(name.partition("::")[0], []).append(name)
    last = _read(REPEATED)
    order = sorted(files, key=lambda file: (last.get(file, ""), file))
    return [Stage(f"{TIMES} times {file}", ("--repeat", str(TIMES), *files[file]), 30, busy=True) for file in order]


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute, at the same priority, for the length of a `with` block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(stage: Stage, state: State) -> str:
    """Runs a stage within its time; returns "passed", "failed", "out of time", or "cut off" where the night ended first."""
    state.logs.mkdir(parents=True, exist_ok=True)
    log = state.logs / f"{re.sub(r'[^a-z0-9_]+', '-', stage.name.lower())}.log"
    limit = min(stage.minutes * 60, state.left())
    with busy(BUSY if stage.busy else 0), log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen([*PYTEST, *stage.arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            result = "passed" if process.wait(limit) == 0 else "failed"
        except subprocess.TimeoutExpired:
            result = "out of time" if limit == stage.minutes * 60 else "cut off"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print(*lines[-1:] if result == "passed" else lines[-40:], sep="\n", flush=True)
    return result


def go_through(stages: Sequence[Stage], state: State) -> int:
    """Runs what is not done yet, as long as there is time; returns how many stages were not reached."""
    for number, stage in enumerate(stages):
        if stage.name in state.done:
            continue
        if state.left() < SHORTEST:
            return len(stages) - number
        print(f"=== {stage.name}", flush=True)
        started = time.monotonic()
        result = run(stage, state)
        state.add(stage, result, time.monotonic() - started)
        print(f"=== {stage.name}: {result} after {time.monotonic() - started:.0f} s", flush=True)
        if result == "cut off":
            return len(stages) - number
        if "--repeat" in stage.arguments:
            _write(REPEATED, {**_read(REPEATED), stage.name.removeprefix(f"{TIMES} times "): _now()})
    return 0


def commit() -> str:
    """The commit; with uncommitted changes, also a digest of them."""
    name = _git("rev-parse", "--short=12", "HEAD").strip()
    changes = _git("diff", "HEAD", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return f"{name}-changed-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else name


def summary(state: State, unreached: int) -> str:
    """The line for the page."""
    failed = state.failed()
    ended = [name for name, entry in state.done.items() if entry["result"] != "cut off"]
    repeated = sum(name.startswith(f"{TIMES} times") for name in ended)
    verdict = f"failed: {', '.join(failed)}" if failed else "not finished" if state.missing() else "all green"
    rest = f"; {unreached} more come first the next night" if unreached else ""
    what = f"{len(ended) - repeated} of {len(FIXED)} long stages, the tests of {repeated} files {TIMES} times in a row under load{rest}"
    return f"Last `make nightly`: {_now()[:10]}, commit `{state.commit}`, {state.seconds / 60:.0f} minutes, {verdict} ({what}).\n"


def main() -> int:
    """Goes on where this commit's last call was stopped."""
    state = State(commit())
    unreached = go_through(FIXED, state)
    unreached += go_through(repeats(), state)
    line = summary(state, unreached)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKED.sub(lambda _: line, page), encoding="utf-8")
    print(line, end="")
    return 1 if state.failed() or state.missing() else 0


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=1), encoding="utf-8")
    unfinished.replace(file)


if __name__ == "__main__":
    sys.exit(main())
