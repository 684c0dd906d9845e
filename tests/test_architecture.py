"""The shape of the code is the one that docs/architecture.md promises: its tables are read here, and hold in both directions."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tb_featuremap_plugin.schema import frameworks

PACKAGE = "tb_featuremap_plugin"
ROOT = Path(__file__).parent.parent
FRONTEND = "frontend/src"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
FRAMEWORKS = {*frameworks.FRAMEWORKS, "sklearn"}
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "requests", "http", "ftplib", "smtplib", "urllib.request"}
OUTSIDE = {
    "files": {"os", "pathlib", "io", "shutil", "tempfile", "zipfile", "fcntl", "msvcrt", "errno"},
    "threads": {"threading", "queue", "atexit", "concurrent"},
    "processes": {"subprocess", "multiprocessing", "signal"},
    "clock": {"time", "datetime"},
    "interpreter": {"sys", "platform", "dis", "gc", "contextvars"},
    "terminal": {"argparse", "webbrowser", "logging"},
    "compression": {"zlib", "gzip", "isal"},
    "NumPy": {"numpy"},
    "TensorBoard": {"tensorboard", "google", "google_crc32c"},
    "werkzeug": {"werkzeug"},
    "frameworks": FRAMEWORKS,
}
"""What the column "may touch" names, as modules."""

PURE = {
    *(
        "__future__",
        "abc",
        "array",
        "base64",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "hashlib",
    ),
    *(
        "heapq",
        "html",
        "importlib",
        "inspect",
        "itertools",
        "json",
        "math",
        "numbers",
        "operator",
        "pkgutil",
        "random",
        "re",
        "socket",
        "statistics",
        "struct",
    ),
    *("textwrap", "types", "typing", "urllib", "warnings", "weakref"),
}
"""Modules that compute, and reach nothing outside (`socket` and `urllib` for the machine's name and for quoting alone: the test below)."""

IN_A_BROWSER = {
    "page": r"\b(document|window|location|history|navigator|localStorage|matchMedia)\b[.(]",
    "elements": r"""from "preact|\b(HTML|SVG)\w*Element\b""",
    "signals": r"""from "@preact/signals""",
    "canvas": r"\b(getContext|ImageData|OffscreenCanvas|createImageBitmap)\b",
    "network": r"\b(fetch|XMLHttpRequest|WebSocket|EventSource)\(",
    "uPlot": r"""from "(uplot|\./uplot\.js)""",
}
"""The same for the dashboard, as what stands in its files."""

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


@dataclass(frozen=True)
class Room:
    """A row of one of the page's tables; `holds` are its files and folders, the first of which names it."""

    name: str
    holds: tuple[str, ...]
    may_import: frozenset[str]
    may_touch: frozenset[str]


def rooms(tree: str) -> list[Room]:
    """The rooms of one table, from the top down."""
    (table,) = re.findall(rf"<!-- rooms: {tree} -->\n(.*?)<!-- end -->", PAGE, re.S)
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()[2:]]
    names = [tuple(re.findall(r"`([\w./]+)`", row[0])) for row in rows]
    return [
        Room(held[0], held, frozenset(re.findall(r"`([\w./]+)`", row[2])), words(row[3])) for held, row in zip(names, rows, strict=True)
    ]


def words(cell: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r",\s*", cell) if word != "\N{EN DASH}")


def modules() -> dict[str, Path]:
    """Module names below the package, without its own name: "summary", "format.record"."""
    paths = [path for path in (ROOT / PACKAGE).rglob("*.py") if "__pycache__" not in path.parts]
    named = {".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): path for name, path in named.items()}


MODULES = modules()
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
ROOMS = rooms(PACKAGE)
ORDER = [room.name for room in ROOMS]


def room_of(module: str) -> str:
    return module.partition(".")[0]


def imports(name: str) -> set[str]:
    """Full names of what a module imports at run time, anywhere in it; imports for the type checker alone do not count."""
    skipped = {id(node) for block in type_checking_blocks(TREES[name]) for node in ast.walk(block)}
    found = set()
    for node in ast.walk(TREES[name]):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def type_checking_blocks(tree: ast.Module) -> list[ast.If]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"]


def own_imports(name: str) -> set[str]:
    """Modules of this package that a module imports at run time; "__init__" is the package itself."""
    found = imports(name)
    below = {full.removeprefix(f"{PACKAGE}.") for full in found if full.startswith(f"{PACKAGE}.")}
    return ({module for module in below if module in MODULES} | ({"__init__"} & {"__init__" if PACKAGE in found else ""})) - {name}


def outside(name: str) -> set[str]:
    """Top-level packages from elsewhere that a module imports."""
    return {full.partition(".")[0] for full in imports(name)} - {PACKAGE}


def test_every_module_stands_in_a_room() -> None:
    assert {room_of(name) for name in MODULES} - {"_version"} == set(ORDER)


def test_arrows_run_down() -> None:
    for room in ROOMS[1:]:
        above = ORDER[1 : ORDER.index(room.name) + 1]
        assert not room.may_import & set(above), f"docs/architecture.md lets {room.name} import a room above it"
        assert room.may_import <= set(ORDER)


def test_rooms_import_what_the_page_says_and_nothing_else() -> None:
    found: dict[str, set[str]] = {name: set() for name in ORDER}
    for name in MODULES:
        if name not in ("__init__", "_version"):
            found[room_of(name)] |= {room_of(module) for module in own_imports(name)} - {room_of(name), "_version"}
    assert found == {room.name: set(room.may_import) for room in ROOMS}


def test_rooms_touch_what_the_page_says_and_nothing_else() -> None:
    meaning = {module: word for word, names in OUTSIDE.items() for module in names}
    for room in ROOMS:
        touched = set().union(*(outside(name) for name in MODULES if room_of(name) == room.name)) - PURE
        assert touched <= set(meaning), f"{room.name} imports {touched - set(meaning)}: which word of OUTSIDE is that?"
        known = {meaning[module] for module in touched} - ({"frameworks"} if room.name == "recording" else set())
        assert known == set(room.may_touch), room.name


def test_frameworks_are_imported_by_integrations_and_the_demo_alone() -> None:
    found = {name: outside(name) & FRAMEWORKS for name in MODULES if room_of(name) not in ("integrations", "demo")}
    # Remote paths go through TensorFlow's file system, where TensorFlow is installed.
    assert {name: frameworks for name, frameworks in found.items() if frameworks} in ({}, {"format.remote": {"tensorflow"}})


def test_nothing_unpickles_evaluates_or_opens_a_connection() -> None:
    assert {name: imports(name) & FORBIDDEN for name in MODULES if imports(name) & FORBIDDEN} == {}
    calls = {f"{name}: {ast.unparse(node.func)}" for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not {
        call for call in calls if re.search(r": (eval|exec|compile|__import__|(\w+\.)?(urlopen|create_connection)|socket\.socket)$", call)
    }


def test_only_record_reads_and_writes_the_bytes_of_records() -> None:
    """Whoever else inflates or deflates would be a second implementation of the format; `assets` and `png` deflate what no record is."""
    users = {name for name in MODULES if outside(name) & OUTSIDE["compression"]}
    assert users == {"format.record", "export.contents", "server.assets", "drawing.png"}


def test_facts_do_nothing() -> None:
    """A module of `schema` has data, what checks it, and how it is looked up: it imports nothing but other facts."""
    assert {
        name: own_imports(name) for name in MODULES if room_of(name) == "schema" and any(room_of(m) != "schema" for m in own_imports(name))
    } == {}


def test_no_module_needs_itself() -> None:
    """Imports have one direction: following them never leads back."""
    assert_no_cycle({name: own_imports(name) - parents(name) for name in MODULES})


def parents(name: str) -> set[str]:
    """The packages that a module stands in: they are imported with each of their modules."""
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))} | {"__init__"}


def assert_no_cycle(edges: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in edges.get(name, ()):
                follow(other, (*path, name))
            done.add(name)

    for name in edges:
        follow(name, ())


SCRIPTS = {path.relative_to(ROOT / FRONTEND).as_posix(): path for path in sorted((ROOT / FRONTEND).rglob("*.ts*"))}
SCRIPT_ROOMS = rooms(FRONTEND)
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']""")


def script_imports(name: str) -> set[str]:
    """Files of the dashboard that one of them imports, lazily too."""
    found = set()
    for target in IMPORT.findall(SCRIPTS[name].read_text(encoding="utf-8")):
        base = (SCRIPTS[name].parent / target).resolve().relative_to((ROOT / FRONTEND).resolve()).as_posix().removesuffix(".js")
        (match,) = [file for file in (base, f"{base}.ts", f"{base}.tsx") if file in SCRIPTS] or [None]
        assert match or Path(base).suffix == ".css", f"{name} imports {target}, which is not there"
        found |= {match} if match else set()
    return found


def script_room(name: str) -> str:
    """The room of a file: the longest name of the table that its path begins with."""
    fitting = [(held, room.name) for room in SCRIPT_ROOMS for held in room.holds if name == held or name.startswith(f"{held}/")]
    assert fitting, f"docs/architecture.md has no room for {FRONTEND}/{name}"
    return max(fitting)[1]


def test_the_rooms_of_the_dashboard_import_what_the_page_says_and_nothing_else() -> None:
    order = [room.name for room in SCRIPT_ROOMS]
    found: dict[str, set[str]] = {name: set() for name in order}
    for name in SCRIPTS:
        found[script_room(name)] |= {script_room(other) for other in script_imports(name)} - {script_room(name)}
    assert found == {room.name: set(room.may_import) for room in SCRIPT_ROOMS}
    for room in SCRIPT_ROOMS:
        assert not room.may_import & set(order[: order.index(room.name)]), f"{room.name} imports a room above it"


def test_the_rooms_of_the_dashboard_touch_what_the_page_says_and_nothing_else() -> None:
    for room in SCRIPT_ROOMS:
        sources = [path.read_text(encoding="utf-8") for name, path in SCRIPTS.items() if script_room(name) == room.name]
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", "\n".join(sources), flags=re.S)
        assert {word for word, pattern in IN_A_BROWSER.items() if re.search(pattern, code)} == set(room.may_touch), room.name


def test_no_script_needs_itself() -> None:
    assert_no_cycle({name: script_imports(name) for name in SCRIPTS})


def test_the_way_of_a_feature_map_can_be_followed() -> None:
    section = PAGE.partition("## One feature map")[2].partition("\n## ")[0]
    steps = re.findall(r"`([\w/]+\.(?:py|tsx?))` `([\w.]+)`", section)
    assert len(steps) >= 12
    for path, name in steps:
        file = ROOT / (FRONTEND if path.endswith(("ts", "tsx")) else PACKAGE) / path
        assert file.exists(), f"the page names {path}"
        source = file.read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"\b(def|class|function|const) {part}\b|^\s+(private |async )*{part}\(", source, re.M), (
                f"{path} has no {name}"
            )


def test_named_files_exist() -> None:
    section = PAGE.partition("## Where to change what")[2]
    named = [path for path in re.findall(r"`([\w./]+)`", section) if "/" in path]
    assert len(named) > 5
    assert [path for path in named if not ((ROOT / path).exists() or (ROOT / PACKAGE / path).exists())] == []


def test_files_are_short_enough_to_read() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in readable()}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}
    assert statistics.median(lengths.values()) <= 150


def readable() -> Iterator[Path]:
    """Sources that somebody wrote: generated ones are read by programs."""
    yield from MODULES.values()
    yield from (path for name, path in SCRIPTS.items() if ".gen." not in name)


def test_functions_are_short() -> None:
    lengths = {
        f"{name}:{node.name}": body_lines(node) for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, FUNCTIONS)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
    assert statistics.median(lengths.values()) < 10


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
