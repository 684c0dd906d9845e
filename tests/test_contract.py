"""What the backend answers fits the types that the dashboard is written against, as TypeScript's own compiler judges it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tb_featuremap_plugin.format import record
from tests.support import hostile, logdirs
from tests.support.clients import json_of, wsgi_client
from tests.support.providers import loaded
from tests.support.servers import PLUGIN

FRAMES = {"table": "TableHeader", "losses": "PointsHeader", "channels": "ChannelsHeader", "batch": "BatchHeader"}
FRAMING = ("version", "sections")
"""Keys that every frame has, which belong to its format."""


def node() -> str:
    """Node, as the tools of this repository find it."""
    beside = Path(sys.executable).parent / "node"
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None:
        pytest.skip("judging by TypeScript's compiler needs Node 20")
    return found


def compile_with(repository: Path, folder: Path, source: str) -> str:
    """What the compiler says of a file beside the generated types; empty if it has nothing to say."""
    compiler = repository / "frontend" / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.exists():
        pytest.skip("judging by TypeScript's compiler needs `npm ci`")
    for name in ("types.gen.ts", "schema.gen.ts"):
        shutil.copy(repository / "frontend" / "src" / name, folder / name)
    (folder / "answers.ts").write_text(source, encoding="utf-8")
    options = [
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--skipLibCheck",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    ]
    command = [node(), str(compiler), *options, "--target", "es2022", "answers.ts"]
    finished = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=600, check=False)
    assert finished.stderr == ""
    return finished.stdout


def declared(answers: Iterator[tuple[str, object]]) -> str:
    """A TypeScript file that says of each answer which type it has."""
    lines = [f"export const answer{number}: types.{kind} = {json.dumps(value)};" for number, (kind, value) in enumerate(answers)]
    assert len(lines) > 5
    return "\n".join(['import type * as types from "./types.gen";', *lines])


def answers_of(client) -> Iterator[tuple[str, object]]:
    """Every kind of JSON that the backend gives for a logdir, with the name of its type."""

    def ask(address: str, status: int = 200):
        answer = client.get(f"/{PLUGIN}/{address}")
        assert answer.status_code == status, address
        return answer

    runs = json_of(ask("runs"))
    yield "Runs", runs
    yield "Diagnosis", json_of(ask("diagnosis"))
    yield "Error", json_of(ask("picture", 400))
    yield "Error", json_of(ask("losses?run=nowhere", 404))
    for run in runs["runs"]:
        name = quote(run["run"], safe="")
        yield "Comparison", json_of(ask(f"comparison?a={name}&b={quote(runs['runs'][0]['run'], safe='')}"))
        names = json_of(ask(f"scalars?run={name}"))
        yield "ScalarNames", names
        addresses = [f"table?run={name}&table={table}" for table in ("layers", "variables", "progress")]
        maps = [quote(one["name"], safe="") for one in run["pictures"] if one["kind"] == "maps"][:2]
        addresses += [f"losses?run={name}", *(f"channels?run={name}&kind=maps&name={one}" for one in maps)]
        addresses.append(f"batch?get={quote(addresses[0], safe='')}")
        for address in addresses:
            yield FRAMES[address.partition("?")[0]], header(ask(address).data)
        for of, tags in list(names["scalars"].items())[:2]:
            for tag in tags[:1]:
                yield "ScalarHeader", header(ask(f"scalars?run={name}&of={quote(of, safe='')}&tag={quote(tag, safe='')}").data)


def header(frame: bytes) -> dict[str, object]:
    """A frame's header without what belongs to the framing; of a batch, whose parts follow it, just the same."""
    length = int.from_bytes(frame[:8], "little")
    found = json.loads(frame[8 : 8 + length])
    assert found["kind"] == "batch" or record.decode(frame)
    return {key: value for key, value in found.items() if key not in FRAMING}


@pytest.mark.parametrize("which", ["demo", "monitored", "hostile", "empty"])
def test_every_answer_fits_its_type(which, repository, demo_logdir, tmp_path):
    folder = {"demo": demo_logdir}.get(which, tmp_path / "logs")
    if which == "monitored":
        logdirs.write_monitored(folder / "asked" / "featuremaps", [0, 1, 5])
        logdirs.EventLog(folder / "asked" / "train").scalar("loss", 0, 1.0)
    elif which == "hostile":
        hostile.write_named(folder)
    folder.mkdir(exist_ok=True)
    with loaded("python", folder, wait=False) as held:
        client = wsgi_client(held.provider)
        answers = answers_of(client) if which != "empty" else iter([("Runs", json_of(client.get(f"/{PLUGIN}/runs")))] * 6)
        assert compile_with(repository, tmp_path, declared(answers)) == ""


@pytest.mark.parametrize(
    "answer",
    [
        ("Runs", {"version": 1, "plugin_version": "0.1.0"}),
        ("Runs", {"version": 1, "plugin_version": "0.1.0", "runs": [], "more": 1}),
        ("Verdict", {"variable": "a", "verdict": "slow", "evidence": {"ratio": "NaN"}, "message": ""}),
        ("Comparison", {"version": 1, "same": True, "kind": "the same", "rows": [{"step": 0}]}),
        ("Problem", {"tag": None, "message": ""}),
    ],
)
def test_the_judge_refuses_what_does_not_fit(answer, repository, tmp_path):
    assert "answers.ts" in compile_with(repository, tmp_path, declared(iter([answer] * 6)))
