"""What runs, logdirs and tables are in a notebook: tables that an HTML parser reads back, with no markup of anybody's but ours."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.reading import run as reading
from tests.support import logdirs

HOSTILE = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\u202e\x1b[31m"
ALLOWED = {"code", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


class Cells(HTMLParser):
    """The texts of a table's rows, and what stands around them. Fails at elements and attributes that no table needs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.around: dict[str, str] = {}
        self._element = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED
        assert attrs == ([("class", "tex2jax_ignore mathjax_ignore")] if tag == "div" else [])
        self._element = tag
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self._element in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.around[self._element] = self.around.get(self._element, "") + data


def cells(shown: fm.Logs | fm.Run | fm.Table | fm.Comparison) -> Cells:
    return Cells(shown._repr_html_())


def test_a_logdir_is_a_table_of_its_runs(tmp_path) -> None:
    for number in range(23):
        logdirs.write_monitored(tmp_path / f"run{number}" / "featuremaps", [0])
    shown = cells(fm.open(tmp_path))
    assert shown.rows[0] == ["run", "folder"]
    assert shown.rows[1:] == [[f"run{number}", f"run{number}/featuremaps"] for number in range(20)]
    assert shown.around["p"] == "3 runs not shown"
    assert shown.around["caption"].endswith(": 23 runs")


def test_a_run_is_a_table_of_its_layers(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "mine", [0, 1, 5])
    shown = cells(fm.open(tmp_path)["mine"])
    assert shown.around == {"caption": "mine, 3 steps 0 to 5, 2 layers"}
    assert [row[0] for row in shown.rows] == ["layer", "conv1", "conv2"]
    assert [row[3:] for row in shown.rows[1:]] == [["conv1/kernel", "3"], ["conv2/kernel", "3"]]


@pytest.mark.parametrize("rows", [3, 30])
def test_a_table_has_the_numbers_of_its_last_step(rows) -> None:
    values = np.random.default_rng(0).normal(size=(4, rows, 25)).astype(np.float32)
    values[-1, 0, :3] = np.nan, np.inf, -np.inf
    names = [f"row{row}" for row in range(rows)]
    table = reading.Table(tuple(names), tuple(f"c{place}" for place in range(25)), np.arange(4), np.zeros(4), values)
    shown = cells(fm.Table("layers", table))
    assert shown.around["caption"] == "layers, 4 steps 0 to 3, of which this is step 3"
    assert shown.around["p"] == ("6 columns not shown" if rows == 3 else "10 rows and 6 columns not shown")
    assert [row[0] for row in shown.rows[1:]] == names[:20]
    found = np.array([[float(number) for number in row[1:]] for row in shown.rows[1:]])
    np.testing.assert_allclose(found, values[-1, :20, :19], rtol=1e-4)


def test_a_table_without_steps_is_empty() -> None:
    assert cells(fm.Table("progress", None)).rows[1:] == []


def test_no_name_is_markup(tmp_path) -> None:
    logdirs.write_monitored(tmp_path / "mine", [0], layers=[HOSTILE, "$\\href{javascript:alert(1)}{x}$", "long " * 100])
    run = fm.open(tmp_path)["mine"]
    for shown in (run, run.table("layers")):
        names = [row[0] for row in cells(shown).rows[1:]]
        assert names[0].startswith(HOSTILE.partition("\u202e")[0])
        assert names[1] == "$\\href{javascript:alert(1)}{x}$"
        assert names[2].endswith("...")
        assert all(name.isprintable() for name in names)
    title = reading.Table((HOSTILE,), (HOSTILE,), np.zeros(1, np.int64), np.zeros(1), np.zeros((1, 1, 1), np.float32))
    assert "<script" not in fm.Table("layers", title)._repr_html_()


def test_a_comparison_is_its_words_and_a_table_of_what_differs(tmp_path) -> None:
    for run, factor in (("a", 1), ("b", 2)):
        with fm.Monitor(tmp_path, run_name=run, every=1) as monitor:
            monitor.log(0, weights={HOSTILE: np.full((3, 2), factor), "other": np.ones((2, 2)), "third": np.ones((2, 2))})
    logs = fm.open(tmp_path)
    found = fm.compare(logs["a"], logs["b"])
    shown = cells(found)
    assert shown.around["p"].startswith("a: 'a', b: 'b'The runs part at step 0 in ")
    assert "<script>" in shown.around["code"]
    assert shown.rows[0] == ["step", "table", "row", "column", "channel", "a", "b", "difference"]
    assert len(shown.rows) == 1 + len(found.rows)
    assert shown.rows[1][4:7] == ["0", "1", "2"]
    same = cells(fm.compare(logs["a"], logs["a"]))
    assert same.rows == []
    assert "Both runs are the same" in same.around["p"]
