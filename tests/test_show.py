"""`fm.show`: a frame that holds the exported page, and what is said where none can be shown."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser

import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.export.report import export
from tb_featuremap_plugin.reading.events import EventSource
from tests.support import logdirs

HOSTILE = "\"></iframe><script>alert(1)</script>&quot;'"


@pytest.fixture
def logdir(tmp_path):
    for name in ("one", "two"):
        logdirs.write_monitored(tmp_path / "logs" / name / "featuremaps", [0, 5], layers=["conv1", HOSTILE])
    return tmp_path / "logs"


def show(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return fm.show(*arguments, **options)


class Frame(HTMLParser):
    """The one element that is there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag == "iframe"
        self.found.append(dict(attrs))

    def handle_data(self, data):
        raise AssertionError(data)


@pytest.mark.parametrize("run", [None, "two"])
def test_the_frame_holds_the_page_that_export_writes(logdir, tmp_path, run):
    (frame,) = Frame(show(logdir, run=run, height=300)._repr_html_()).found
    export(EventSource(logdir), tmp_path / "report.html", runs=[run] if run else [], max_bytes=10**7)
    assert frame["srcdoc"] == (tmp_path / "report.html").read_text(encoding="utf-8")
    assert frame["sandbox"] == "allow-scripts allow-downloads"
    assert frame["style"] == "width: 100%; height: 300px; border: 0"


def test_what_is_not_there_is_said(logdir):
    with pytest.raises(ValueError, match="there is no run 'three'; there are: one/featuremaps, two/featuremaps"):
        fm.show(logdir, run="three")
    with pytest.raises(FileNotFoundError):
        fm.show(logdir / "nowhere")


@pytest.mark.parametrize(("argument", "value"), [("height", "300px"), ("height", None), ("max_mb", "3"), ("logdir", None), ("logdir", 3)])
def test_arguments_of_another_type_are_refused(logdir, argument, value):
    with pytest.raises(TypeError, match=re.escape(f"{argument} is {value!r}; allowed are")):
        fm.show(**{"logdir": logdir, argument: value})


def test_the_page_is_bounded(tmp_path):
    log = logdirs.write_monitored(tmp_path, list(range(20)), layers=["conv"])
    for step in range(20):
        log.maps("large", step, logdirs.maps_values(step, channels=16, side=32))
    assert 400_000 < len(show(tmp_path, max_mb=0.8).page) < 800_000 < len(show(tmp_path).page)
    with pytest.raises(ValueError, match=r"without any picture the page takes 0\.\d MB: name one run, or give max_mb=1"):
        fm.show(tmp_path, max_mb=0.1)


def test_a_program_is_told_how_to_write_a_page(logdir):
    with pytest.warns(UserWarning, match="`tb-featuremap export` writes it") as told:
        shown = fm.show(logdir)
    assert told[0].filename == __file__
    assert repr(shown).endswith("for notebooks; `tb-featuremap export` writes it>")


def test_an_interpreter_says_it_once(logdir):
    program = f"import tb_featuremap_plugin as fm\nfm.show({str(logdir)!r})\n"
    finished = subprocess.run([sys.executable, "-i", "-q"], input=program, capture_output=True, text=True, timeout=120, check=True)
    assert "<Shown '" in finished.stdout
    assert "Warning" not in finished.stderr
