"""`tb-featuremap export`: one page, with every answer the dashboard asks for, and nothing in it that runs but the bundle."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.export.answers import address
from tb_featuremap_plugin.export.report import NothingToExportError, export
from tb_featuremap_plugin.format import record
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema import tags
from tb_featuremap_plugin.schema.answers import ANSWERS_ID
from tb_featuremap_plugin.server import api
from tests.support import logdirs
from tests.support.known import known

STEPS = [0, 1, 2, 5, 10, 20, 50, 100]
HOSTILE = "</script><script>window.pwned = 1</script><!--"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logdir")
    for number, name in enumerate(["asked", "mended"]):
        log = logdirs.write_monitored(folder / name / "featuremaps", STEPS, start=logdirs.START_TIME + 1000 * number)
        log.blob(tags.picture_tag("inputs", "probe"), 0, b"first probe")
        log.blob(tags.picture_tag("inputs", "probe"), 7, b"second probe")
    train = logdirs.EventLog(folder / "asked" / "train")
    for step in range(20):
        train.scalar("loss", step, 1 / (step + 1))
    return folder


class Page(HTMLParser):
    """The elements of a page as a browser would find them."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        self.elements.append(("", {}, []))

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.elements if name == tag]

    def answers(self) -> dict[str, bytes]:
        (text,) = [text for attributes, text in self.all("script") if attributes.get("id") == ANSWERS_ID]
        return {where: base64.b64decode(answer) for where, answer in json.loads(text).items()}


def exported(logdir: Path, output: Path, **options) -> Page:
    export(EventSource(logdir), output, **{"max_bytes": 10**7, **options})
    return Page(output)


def test_the_page_holds_what_the_backend_answers(logdir, tmp_path):
    answers = exported(logdir, tmp_path / "report.html").answers()
    source = EventSource(logdir)
    runs = json.loads(answers["runs"])
    assert runs == json.loads(json.dumps(api.runs(source)))
    assert json.loads(answers["diagnosis"]) == json.loads(json.dumps(api.diagnosis(source)))
    assert [run["run"] for run in runs["runs"]] == ["asked/featuremaps", "mended/featuremaps"]
    for run in ("asked/featuremaps", "mended/featuremaps"):
        for table in ("layers", "variables", "progress"):
            assert answers[address("table", run=run, table=table)] == api.table(source, run, table)
        assert answers[address("losses", run=run)] == api.losses(source, run)
        for name in ("conv1", "conv2"):
            assert answers[address("channels", run=run, kind="maps", name=name)] == api.channels(source, run, "maps", name)
            for step in STEPS:
                assert answers[address("picture", run=run, kind="maps", name=name, step=step)] == source.picture(run, "maps", name, step)
    assert "asked/train" in json.loads(answers[address("scalars", run="asked/featuremaps")])["scalars"]
    where = address("scalars", run="asked/featuremaps", tag="loss", of="asked/train")
    assert record.decode(answers[where]).array("values").tolist() == source.scalar("asked/train", "loss").values.tolist()


def test_one_step_brings_the_pictures_that_the_tab_shows_there(logdir, tmp_path):
    answers = exported(logdir, tmp_path / "report.html", steps=[7]).answers()
    pictures = [where for where in answers if where.startswith("picture?") and "asked" in where]
    names = {"maps": ["conv1", "conv2"], "inputs": ["probe"]}
    expected = [("maps", name, 5) for name in names["maps"]] + [("inputs", "probe", 0)]
    assert sorted(pictures) == sorted(
        address("picture", run="asked/featuremaps", kind=kind, name=name, step=step) for kind, name, step in expected
    )
    run = json.loads(answers["runs"])["runs"][0]
    assert {tuple(series["steps"]) for series in run["pictures"] if series["kind"] == "maps"} == {(5,)}
    assert run["steps"] == [0, 1, 2, 5, 7, 10, 20, 50, 100]
    assert run["record"]["notes"] == [
        "Exported with maps and filters of 1 of 8 steps (5). Numbers are whole.",
        "It has no pictures at 7: those of the last step before stand in, where there is one.",
    ]


def test_one_run_is_chosen_by_its_name_or_its_title(logdir, tmp_path):
    for name in ("mended", "mended/featuremaps"):
        answers = exported(logdir, tmp_path / "report.html", runs=[name]).answers()
        assert [run["run"] for run in json.loads(answers["runs"])["runs"]] == ["mended/featuremaps"]
        assert not any("asked" in where for where in answers)
    with pytest.raises(NothingToExportError, match="there is no run 'x'; there are: asked/featuremaps, mended/featuremaps"):
        export(EventSource(logdir), tmp_path / "x.html", runs=["x"], max_bytes=10**7)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToExportError, match="there is no run that holds"):
        export(EventSource(tmp_path / "empty"), tmp_path / "x.html", max_bytes=10**7)
    assert not (tmp_path / "x.html").exists()


def test_a_page_of_bounded_size_holds_an_even_spread_of_steps(tmp_path):
    log = logdirs.write_monitored(tmp_path / "logs" / "featuremaps", list(range(60)), layers=["conv"])
    for step in range(60):
        log.maps("large", step, logdirs.maps_values(step, channels=16, side=32))
    limit = 3_000_000
    answers = exported(tmp_path / "logs", tmp_path / "report.html", max_bytes=limit).answers()
    assert limit / 2 < (tmp_path / "report.html").stat().st_size <= limit
    (steps,) = {tuple(series["steps"]) for series in json.loads(answers["runs"])["runs"][0]["pictures"]}
    assert (steps[0], steps[-1]) == (0, 59)
    gaps = [later - earlier for earlier, later in itertools.pairwise(steps)]
    assert 1 < max(gaps) <= 2 * min(gaps) + 1


def test_names_of_others_cannot_become_markup(tmp_path):
    folder = tmp_path / "logs" / HOSTILE.replace("/", "\u2215") / "featuremaps"
    logdirs.write_monitored(folder, [0, 1], layers=[HOSTILE, "a&b=c#d%41 '\"\u202e"])
    page = exported(tmp_path / "logs", tmp_path / "report.html")
    assert [attributes.get("type") for attributes, _ in page.all("script")] == ["application/json", "importmap", "module"]
    assert any("pwned" in where for where in page.answers())
    assert "pwned" in page.all("title")[0][1]


def test_the_policy_lets_only_the_bundle_run(logdir, tmp_path, repository):
    page = exported(logdir, tmp_path / "report.html")
    (policy,) = [known(attributes["content"], "policy") for attributes, _ in page.all("meta") if "http-equiv" in attributes]
    _, (_, imports), (_, script) = page.all("script")
    assert script == 'import "index.js";'
    scripts = {path.name: path.read_text("utf-8") for path in (repository / "tb_featuremap_plugin" / "static").glob("*.js")}
    assert embedded(imports) == scripts
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (imports, script)]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digests[0]}' 'sha256-{digests[1]}' data:"
    assert "connect-src" not in rules
    assert not re.search(r"https?:", policy)


def embedded(imports: str) -> dict[str, str]:
    """The scripts of an import map as they are served: in the page they find each other by name, since they have no addresses."""
    urls = json.loads(imports)["imports"]
    scripts = {name: base64.b64decode(url.removeprefix("data:text/javascript;base64,")).decode() for name, url in urls.items()}
    return {name: re.sub(r'"(\w+\.js)"', r'"./\1"', script) for name, script in scripts.items()}


def test_the_page_names_no_folder_of_this_machine(logdir, tmp_path):
    exported(logdir, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert str(logdir) not in text
    assert not any(str(logdir).encode() in answer for answer in Page(tmp_path / "report.html").answers().values())


def test_the_command_line_writes_the_page(logdir, tmp_path, capsys):
    output = tmp_path / "report.html"
    assert main(["export", str(logdir), "-o", str(output), "--run", "asked", "--step", "5"]) == 0
    assert "MB, 1 run\n" in capsys.readouterr().out
    assert output.stat().st_size > 1000
    assert main(["export", str(tmp_path / "nowhere"), "-o", str(output)]) == 2
    assert capsys.readouterr().err.endswith("nowhere: No such file or directory\n")
    assert main(["export", str(logdir), "-o", str(output), "--run", "other"]) == 2
    assert "there is no run 'other'" in capsys.readouterr().err
