"""Names of others, printed: a terminal shows them and obeys none of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading.printable import printable
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs

HOSTILE = "\x1b]0;title\x07\x1b[2J\x1b[31mred\u202egnp.\r\x9b1m"


@given(st.text())
def test_only_what_is_shown_is_left(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    "command",
    [["diagnose"], ["doctor"], ["export", "-o", "report.html"], ["pack", "-o", "small.zip"], ["export", "-o", HOSTILE, "--run", HOSTILE]],
)
def test_every_command_prints_names_without_obeying_them(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    log = logdirs.write_monitored(tmp_path / "logs" / HOSTILE.replace("/", "") / "featuremaps", [0, 1, 2, 5], layers=[HOSTILE, "conv2"])
    log.blob(tags.picture_tag("maps", HOSTILE), 9, b"damaged")
    log.blob(tags.RUN_TAG, 10, b"damaged")
    assert main([command[0], str(tmp_path / "logs"), *command[1:]]) in (0, 1, 2)
    said = "".join(capsys.readouterr())
    assert "title" in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)
