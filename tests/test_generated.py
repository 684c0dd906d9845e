"""What is written from the facts of `schema/` is what stands in the repository, and says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tools import generate


def test_everything_is_as_the_generator_writes_it(repository):
    command = [sys.executable, str(repository / "tools" / "generate.py"), "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (finished.returncode, finished.stdout) == (0, "")


def test_a_stale_file_is_named(repository, monkeypatch, capsys):
    stale = dict(generate.outputs()) | {repository / "docs" / "format.md": "something else"}
    monkeypatch.setattr(generate, "outputs", lambda: stale)
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert capsys.readouterr().out == "docs/format.md does not follow from tb_featuremap_plugin/schema: run `make generate`\n"


@pytest.mark.parametrize("which", ["layers", "variables", "progress", "channels", "heat map", "limits", "verdicts"])
def test_tables_are_whole(which, repository):
    """Each row has the cells of its head, and no cell ends a table early."""
    head, rule, *rows = generate.TABLES[which]()
    assert len(rows) > 5
    cells = head.count("|")
    assert all(row.count("|") == cells and "\n" not in row for row in [rule, *rows])
    pages = "".join(path.read_text(encoding="utf-8") for path in (repository / "docs").glob("*.md"))
    assert f"<!-- generated: {which} -->" in pages


def test_every_marker_is_known(repository):
    for path in (repository / "docs").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"<!-- generated: ([\w ]+) -->", text)) <= set(generate.TABLES), path
