"""A real TensorBoard in a process of its own, on a port of its own, as a user would start it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 240
PLUGIN = "data/plugin/featuremaps"
_ADDRESS = re.compile(r"TensorBoard \S+ at (http://\S+)")
# TensorBoard imports TensorFlow where it is installed, which takes seconds and 700 MB; with this module present it never does.
_WITHOUT_TENSORFLOW = (
    "import sys, types; sys.modules['tensorboard.compat.notf'] = types.ModuleType('notf'); "
    "from tensorboard.main import run_main; sys.argv[0] = 'tensorboard'; run_main()"
)


@dataclass
class Server:
    """A running TensorBoard; `url` ends with a slash."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=2000))
    address: threading.Event = field(default_factory=threading.Event)
    reader: threading.Thread | None = None

    def get(self, path: str, timeout: float = 240) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET below the server's root; errors are answers too."""
        try:
            with urllib.request.urlopen(self.url + path.lstrip("/"), timeout=timeout) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def json(self, path: str) -> Any:
        """The JSON value that a route answers with."""
        status, _, body = self.get(path)
        assert status == 200, f"GET {path} answered {status}: {body[:500]!r}\n{self.log()}"
        return json.loads(body)

    def log(self) -> str:
        """What the server printed so far."""
        return "".join(self.lines)

    def wait_for_runs(self, count: int, seconds: float = 300) -> Any:
        """The answer of `/runs`, once it lists at least this many runs: the native server loads while it already answers."""
        return self.wait_for(lambda: (answer := self.json(f"{PLUGIN}/runs"), len(answer["runs"]) >= count), seconds)

    def wait_for(self, poll: Any, seconds: float = 300) -> Any:
        """Calls `poll() -> (value, done)` until it is done; returns the value."""
        deadline = time.monotonic() + seconds
        while True:
            value, done = poll()
            if done:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds} s TensorBoard still answered {str(value)[:1000]}\n{self.log()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.reader:
            self.reader.join(30)
        if self.process.stdout:
            self.process.stdout.close()

    def _read_output(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            if match := _ADDRESS.search(line):
                self.url = match[1].rstrip("/") + "/"
                self.address.set()
        self.address.set()


def start_tensorboard(
    logdir: str | Path | None,
    *flags: str,
    load_fast: bool = True,
    tensorflow: bool = False,
    command: Sequence[str] | None = None,
    reload_interval: float = 1,
) -> Server:
    """Starts TensorBoard and returns when it answers.

    Args:
        logdir: passed as `--logdir`; None where a flag such as `--logdir_spec` says it.
        flags: further flags.
        load_fast: the native data server (True) or the Python loader (False).
        tensorflow: let TensorBoard import TensorFlow where it is installed.
        command: the program, such as the `tensorboard` of another environment, in place of this interpreter's.
        reload_interval: seconds between looks at the logdir.
    """
    program = list(command or ([sys.executable, "-m", "tensorboard.main"] if tensorflow else [sys.executable, "-c", _WITHOUT_TENSORFLOW]))
    arguments = ["--port=0", "--host=127.0.0.1", f"--load_fast={str(load_fast).lower()}", f"--reload_interval={reload_interval}", *flags]
    if logdir is not None:
        arguments.append(f"--logdir={logdir}")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1", "BROWSER": "true"}
    process = subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    server = Server(process)
    server.reader = threading.Thread(target=server._read_output, daemon=True)
    server.reader.start()
    server.address.wait(START_SECONDS)
    if not server.url:
        server.stop()
        raise AssertionError(f"TensorBoard did not start: {' '.join(map(str, [*program, *arguments]))}\n{server.log()}")
    return server


@contextmanager
def tensorboard(logdir: str | Path | None, *flags: str, **options: Any) -> Iterator[Server]:
    """`start_tensorboard` for the length of a `with` block."""
    server = start_tensorboard(logdir, *flags, **options)
    try:
        yield server
    finally:
        server.stop()
