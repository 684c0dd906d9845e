"""The documentation is complete, and every program in it runs."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.cli.main import build_parser

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
TEXT = "\n".join(PAGES.values())
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FRAGMENTS = [
    (f"{page}-{number}", code) for page, text in PAGES.items() for number, (kind, code) in enumerate(BLOCK.findall(text)) if kind == "py"
]


def programs_of(page: str) -> list[tuple[str, str]]:
    """Names and sources of the programs of a page."""
    blocks = [(number, code) for number, (kind, code) in enumerate(BLOCK.findall(PAGES[page])) if kind == "python"]
    first = blocks[0][1] if page in CONTINUED else ""
    return [(f"{page}-{number}", code if code == first else first + code) for number, code in blocks]


CONTINUED = {"reading.md"}
"""Pages of which each program begins with the page's first one."""

PROGRAMS = [program for page in PAGES for program in programs_of(page)]
PACKAGES = {"to_pandas(": "pandas", "to_arrow(": "pyarrow", ".figure(": "matplotlib"}
FRAMEWORKS = ("tensorflow", "keras", "torch", "jax", "flax", "equinox", "optax", "sklearn")


@pytest.mark.parametrize(("name", "code"), PROGRAMS, ids=[name for name, _ in PROGRAMS])
def test_program_runs(name: str, code: str, tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        if re.search(rf"^\s*(import|from) {framework}\b", code, re.M):
            pytest.importorskip(framework)
    for call, package in PACKAGES.items():
        if call in code:
            pytest.importorskip(package)
    (tmp_path / "program.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-W", "error::ResourceWarning", "program.py"]
    finished = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, f"{name}\n{finished.stdout}{finished.stderr}"


def test_fragments_are_python() -> None:
    for name, code in FRAGMENTS:
        compile(re.sub(r"^[%!].*$", "", code, flags=re.M), name, "exec")


def test_every_public_name_is_documented() -> None:
    missing = [name for name in fm.__all__ if name != "__version__" and f"fm.{name}" not in TEXT]
    assert not missing


@pytest.mark.parametrize("owner", ["Monitor", "Writer"])
def test_every_public_method_and_argument_is_documented(owner: str) -> None:
    cls = getattr(fm, owner)
    methods = {name: value for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert not [name for name in methods if not re.search(rf"\.{name}\(|`{name}", TEXT)]
    undocumented = {name for method in [cls.__init__, *methods.values()] for name in arguments(method) if not documented(name)}
    assert not undocumented, f"fm.{owner} takes {undocumented}, which no page explains"


@pytest.mark.parametrize("owner", ["Norms", "Picture", "Run", "Series", "Table"])
def test_all_that_can_be_read_back_is_documented(owner: str) -> None:
    """Nobody makes these but `fm.open`, so what counts is what they have."""
    cls = getattr(fm, owner)
    named = re.findall(r"^    +(\w+(?:, \w+)*): ", (cls.__doc__ or "").partition("Attributes:")[2], re.M)
    known = {name for names in named for name in names.split(", ")} | {name for name in vars(cls) if not name.startswith("_")}
    assert len(known) >= 4
    assert not [name for name in known if not re.search(rf"\b{name}\b", PAGES["reading.md"])]
    methods = [value for name, value in vars(cls).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert not {name for method in methods for name in arguments(method) if not documented(name)} - {"kind", "layer", "variable"}


def test_programs_that_read_are_typed(tmp_path: Path) -> None:
    programs = [code for page, code in PROGRAMS if page.startswith("reading.md")]
    assert len(programs) >= 8
    for number, code in enumerate(programs):
        (tmp_path / f"program{number}.py").write_text(code, encoding="utf-8")
    options = ["--strict", f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={tmp_path / 'cache'}"]
    command = [sys.executable, "-m", "mypy", *options, *map(str, sorted(tmp_path.glob("*.py")))]
    pytest.importorskip("mypy")
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_summary_function_and_argument_is_documented() -> None:
    functions = {name: getattr(fm.summary, name) for name in fm.summary.__all__ if inspect.isfunction(getattr(fm.summary, name))}
    assert {"feature_maps", "filters", "weight_change", "feature_maps_pb", "filters_pb", "weight_change_pb"} <= set(functions)
    assert not [name for name in functions if not re.search(rf"\b{name}\b", TEXT)]
    assert not {name for function in functions.values() for name in arguments(function) if not documented(name)}


def test_every_route_is_documented() -> None:
    from tensorboard.plugins.base_plugin import TBContext

    from tb_featuremap_plugin.server.plugin import FeatureMapsPlugin

    routes = FeatureMapsPlugin(TBContext(data_provider=object())).get_plugin_apps()
    assert not [route for route in routes if f"`{route}`" not in PAGES["http_api.md"]]
    listed = set(re.findall(r"`(/[\w.]+)`", PAGES["http_api.md"].partition("\n## ")[0]))
    assert listed <= set(routes), "docs/http_api.md names routes that are not there"


def test_every_command_and_option_is_documented() -> None:
    (commands,) = [action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    for name, parser in commands.choices.items():
        section = re.search(rf"^## `{name}\b.*?(?=^## |\Z)", PAGES["cli.md"], re.M | re.S)
        assert section, f"docs/cli.md has no section for {name}"
        options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
        assert not {option for option in options if f"`{option}" not in section[0]}, name
        named = set(re.findall(r"`(--[\w-]+)", section[0]))
        assert named <= options, f"docs/cli.md names options of {name} that are not there"


def test_every_rule_and_verdict_is_documented() -> None:
    from tb_featuremap_plugin.diagnosis.rule import all_rules

    rules = {rule.name for rule in all_rules()}
    assert len(rules) >= 21
    assert not {rule for rule in rules if f"`{rule}`" not in PAGES["diagnosis.md"]}
    verdicts = {"changing", "slow", "unchanged", "frozen", "lost_to_rounding", "thrashing", "decaying", "too_fast", "unknown"}
    assert not {verdict for verdict in verdicts if f"`{verdict}`" not in PAGES["diagnosis.md"]}


def test_every_column_and_tag_is_in_the_format() -> None:
    from tb_featuremap_plugin.schema import tags

    known = [value for name, value in vars(tags).items() if name.endswith("_TAG")]
    assert known
    assert not [tag for tag in known if f"`{tag}`" not in PAGES["format.md"]]


def test_links_lead_somewhere() -> None:
    broken = []
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            if not (folder / target).exists():
                broken.append(f"{page}: {target}")
    assert not broken


def test_readme_fits_on_a_screen() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 60


def arguments(function: Callable[..., object]) -> list[str]:
    """Names of what a function takes, but for what every reader knows."""
    return [name for name in inspect.signature(function).parameters if name not in {"self", "args", "kwargs", "name", "step", "data"}]


def documented(argument: str) -> bool:
    return bool(re.search(rf"`{argument}(=[^`]*)?`|\b{argument}=", TEXT))
