"""The committed dashboard is what its sources make, within its budget, and brings its licences. Needs no Node."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

INPUTS = ("package.json", "package-lock.json", "build.mjs", "tsconfig.json")
ADVICE = "the dashboard's sources changed: run `make frontend` and commit tb_featuremap_plugin/static"


@pytest.fixture(scope="module")
def static(repository: Path) -> Path:
    return repository / "tb_featuremap_plugin" / "static"


@pytest.fixture(scope="module")
def build(static: Path) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((static / "BUILD.json").read_text(encoding="utf-8"))
    return described


def test_sources_are_those_it_was_built_from(repository: Path, build: dict[str, Any]) -> None:
    assert input_digest(repository / "frontend") == build["inputs"], ADVICE


def test_outputs_are_those_that_were_built(static: Path, build: dict[str, Any]) -> None:
    assert sorted(path.name for path in static.iterdir()) == sorted(["BUILD.json", *build["outputs"]])
    for name, described in build["outputs"].items():
        contents = (static / name).read_bytes()
        assert hashlib.sha256(contents).hexdigest() == described["sha256"], f"{name}: {ADVICE}"
        assert len(contents) == described["bytes"]


def test_bundle_stays_within_its_limits(static: Path, repository: Path) -> None:
    """The limits stand once, in build.mjs, with their reasons; zlib of another make may differ by a few bytes."""
    text = (repository / "frontend" / "build.mjs").read_text(encoding="utf-8")
    limits = {name: int(limit.replace("_", "")) for name, limit in re.findall(r'"([\w.]+)": ([\d_]+)', text)}
    assert set(limits) == {path.name for path in static.iterdir()} - {"BUILD.json"}
    assert limits["index.js"] <= 50_000, "what must arrive before anything is seen"
    sizes = {name: len(gzip.compress((static / name).read_bytes(), 9)) for name in limits}
    assert {name: size for name, size in sizes.items() if size > limits[name] * 1.01} == {}


def test_bundle_exports_what_tensorboard_calls(static: Path) -> None:
    assert re.search(r"export\s*\{[^}]*\brender\b[^}]*\}", (static / "index.js").read_text(encoding="utf-8"))


def test_bundle_asks_no_other_machine_for_anything(static: Path) -> None:
    """Addresses may name XML namespaces and appear in licence comments; nothing may be loaded from elsewhere."""
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in sorted(static.glob("*.js")))
    script = re.sub(r"/\*.*?\*/", "", scripts, flags=re.S)
    style = (static / "style.css").read_text(encoding="utf-8")
    assert not re.search(r"\b(fetch|import|src=)\s*\(?\s*[\"'`](https?:)?//", script)
    assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", style)
    assert "sourceMappingURL" not in script
    assert not re.search(r"\beval\(|new Function\(", script)


def test_licence_of_every_bundled_package_is_shipped(repository: Path) -> None:
    notices = (repository / "THIRD_PARTY_NOTICES").read_text(encoding="utf-8")
    lock = json.loads((repository / "frontend" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name in bundled_packages(lock):
        version = lock[f"node_modules/{name}"]["version"]
        assert f"{name} {version}" in notices, f"THIRD_PARTY_NOTICES has no entry {name} {version}"
    assert notices.count("Permission is hereby granted") >= len(list(bundled_packages(lock)))


def test_every_frontend_dependency_is_pinned(repository: Path) -> None:
    package = json.loads((repository / "frontend" / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((repository / "frontend" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} is {version}; exact versions only"
        assert lock[f"node_modules/{name}"]["version"] == version
    unverified = [name for name, entry in lock.items() if name and not entry.get("link") and "integrity" not in entry]
    assert not unverified, f"no digest in the lock file: {unverified}"


def bundled_packages(lock: dict[str, Any]) -> set[str]:
    """The run-time dependencies, and theirs."""
    names, waiting = set(), set(lock[""]["dependencies"])
    while waiting:
        name = waiting.pop()
        names.add(name)
        waiting |= set(lock[f"node_modules/{name}"].get("dependencies", {})) - names
    return names


def input_digest(frontend: Path) -> str:
    """The digest that build.mjs computes: of every source its path, a line feed, its text with LF line ends, a zero byte."""
    paths = [path for path in (frontend / "src").rglob("*") if path.is_file()] + [frontend / name for name in INPUTS]
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(frontend).as_posix(), path) for path in paths):
        digest.update(f"{name}\n".encode() + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()
