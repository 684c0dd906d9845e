"""Nothing of this package asks the network for anything: not when it is built, not when it logs, not when it reads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import children, environments, logdirs

# Python tells a hook of every look-up of a name and every connection, whoever makes it.
GUARD = """
import sys
def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request", "ssl.wrap_socket"):
        raise SystemExit(f"the network was asked: {event} {arguments}")
sys.addaudithook(guard)
"""

USE = """
from tests.support.soaking import TinyLoop
loop = TinyLoop()
with fm.Monitor(sys.argv[1] + "/monitored", every=2) as monitor:
    for step in range(5): loop.step(monitor, step)
with fm.Writer(sys.argv[1] + "/written") as writer:
    log(writer, 0)
from tb_featuremap_plugin.cli.main import main
for command in ("diagnose", "doctor"):
    assert main([command, sys.argv[1]]) in (0, 1)
assert main(["export", sys.argv[1], "-o", sys.argv[1] + "/report.html"]) == 0
assert main(["pack", sys.argv[1], "-o", sys.argv[1] + "/small.zip"]) == 0
for command in ("diagnose", "doctor"):
    assert main([command, sys.argv[1] + "/small.zip"]) in (0, 1)
assert main(["export", sys.argv[1] + "/small.zip", "-o", sys.argv[1] + "/report.html"]) == 0
assert "tensorflow" not in sys.modules
print("done")
"""

SERVE = """
from pathlib import Path
from tests.support.clients import walk, wsgi_client
from tests.support.providers import loaded
with loaded("python", Path(sys.argv[1])) as held:
    print(len(walk(wsgi_client(held.provider))))
"""


def test_the_guard_notices():
    ended = children.run(GUARD + "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)")
    assert ended.returncode != 0
    assert "the network was asked" in ended.stderr


def test_logging_and_the_command_line_ask_no_network(tmp_path):
    ended = children.run(GUARD + USE, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("done\n")


def test_the_backend_asks_no_network(tmp_path):
    logdirs.write_monitored(tmp_path / "run", [0, 1, 2])
    ended = children.run(GUARD + SERVE, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_building_asks_no_network(tmp_path, kind):
    pytest.importorskip("setuptools", minversion="77")
    sources = environments.copy_sources(tmp_path / "sources")
    command = [sys.executable, "-W", "ignore", "-c", GUARD + environments.BUILD, kind, str(tmp_path)]
    ended = subprocess.run(command, cwd=sources, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
