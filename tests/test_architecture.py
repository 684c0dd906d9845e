"""The shape of the code is the one that docs/architecture.md promises."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

PACKAGE = "tb_featuremap_plugin"
ROOT = Path(__file__).parent.parent
FRAMEWORKS = {"tensorflow", "keras", "torch", "jax", "flax", "sklearn"}
MAY_IMPORT_FRAMEWORKS = ("integrations.", "demo.")
GFILE = "writing.storage"  # remote paths go through TensorFlow's file system, where TensorFlow is installed
READING = {"loader", "plugin", "api", "reading"}
LOGGING = {"integrations", "monitor", "summary", "writer", "writing", "pictures", "tiles", "kernels", "stats"}
PURE = {"", "diagnosis", "schema", "layer", "series", "errors", "limits"}
FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "requests", "http", "ftplib", "smtplib", "urllib.request"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


def modules() -> dict[str, Path]:
    """Module names below the package, without its own name: "record", "stats.variable"."""
    paths = [path for path in (ROOT / PACKAGE).rglob("*.py") if "__pycache__" not in path.parts]
    named = {".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path for path in paths}
    return {re.sub(r"\.?__init__$", "", name): path for name, path in named.items()}


MODULES = modules()
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}


def imports(name: str, *, at_run_time: bool = True) -> set[str]:
    """Full names of what a module imports, anywhere in it; imports for the type checker alone do not count at run time."""
    skipped = {id(node) for block in type_checking_blocks(TREES[name]) for node in ast.walk(block)} if at_run_time else set()
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
    """Modules of this package that a module imports at run time."""
    below = {full.removeprefix(f"{PACKAGE}.") for full in imports(name) if full.startswith(f"{PACKAGE}.")}
    return {module for module in below if module in MODULES} - {name}


def dependencies(name: str, groups: set[str]) -> set[str]:
    return {module for module in own_imports(name) if part_of(module, groups)}


def part_of(module: str, groups: set[str]) -> bool:
    return module.partition(".")[0] in groups


def test_frameworks_are_imported_by_integrations_alone() -> None:
    found = {
        name: {full.partition(".")[0] for full in imports(name)} & FRAMEWORKS
        for name in MODULES
        if not name.startswith(MAY_IMPORT_FRAMEWORKS)
    }
    assert {name: frameworks for name, frameworks in found.items() if frameworks} in ({}, {GFILE: {"tensorflow"}})


def test_nothing_unpickles_evaluates_or_opens_a_connection() -> None:
    assert {name: imports(name) & FORBIDDEN for name in MODULES if imports(name) & FORBIDDEN} == {}
    calls = {f"{name}: {ast.unparse(node.func)}" for name, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not {
        call for call in calls if re.search(r": (eval|exec|compile|__import__|(\w+\.)?(urlopen|create_connection)|socket\.socket)$", call)
    }


def test_reading_does_not_depend_on_logging() -> None:
    assert {name: dependencies(name, LOGGING) for name in MODULES if part_of(name, READING) and dependencies(name, LOGGING)} == {}


def test_logging_does_not_depend_on_reading() -> None:
    others = READING | {"diagnosis", "cli"}
    assert {name: dependencies(name, others) for name in MODULES if part_of(name, LOGGING) and dependencies(name, others)} == {}


def test_diagnosis_is_pure() -> None:
    """It takes series and gives findings: no files, no clock, no TensorBoard."""
    impure = {"os", "pathlib", "io", "time", "datetime", "random", "tensorboard", "werkzeug", "threading", "subprocess"}
    for name in (name for name in MODULES if part_of(name, {"diagnosis"})):
        assert not {full.partition(".")[0] for full in imports(name)} & impure, name
        assert dependencies(name, {module.partition(".")[0] for module in MODULES} - PURE) == set(), name


def test_only_record_reads_and_writes_the_bytes_of_records() -> None:
    """Whoever else inflates or deflates would be a second implementation of the format; `bundle` deflates what no record is."""
    users = {name for name in MODULES if imports(name) & {"zlib", "gzip", "isal", "isal.isal_zlib", "isal.igzip"}}
    assert users <= {"record", "_deflate", "sharing.survey", "bundle"}, users


def test_no_module_needs_itself() -> None:
    """Imports have one direction: following them never leads back."""
    done: set[str] = set()

    def follow(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' -> '.join([*path[path.index(name) :], name])}"
        if name in done:
            return
        for module in own_imports(name):
            if not name.startswith(f"{module}."):  # a package is imported with each of its modules
                follow(module, (*path, name))
        done.add(name)

    for name in MODULES:
        follow(name, ())


def test_every_module_is_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w./]+)`", page))
    top = {name.partition(".")[0] for name in MODULES if name} - {"_version"}
    missing = {name for name in top if not {name, f"{name}/"} & named}
    assert not missing, f"docs/architecture.md has no row for {sorted(missing)}"


def test_files_are_short_enough_to_read() -> None:
    paths = [*MODULES.values(), *(ROOT / "frontend" / "src").rglob("*.ts"), *(ROOT / "frontend" / "src").rglob("*.tsx")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}
    assert statistics.median(lengths.values()) <= 150


def test_functions_are_short() -> None:
    lengths = {f"{name}:{node.name}": body_lines(node) for name, tree in TREES.items() for node in ast.walk(tree) if is_function(node)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
    assert statistics.median(lengths.values()) < 10


def is_function(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
