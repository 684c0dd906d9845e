"""Writes what follows from the facts of `tb_featuremap_plugin/schema/`: the dashboard's types and columns, and tables in docs/.

    python tools/generate.py           writes
    python tools/generate.py --check   only says which files differ, and fails if any does

A page of docs/ names what it wants between `<!-- generated: NAME -->` and `<!-- end -->`; the names are those of `TABLES`.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tb_featuremap_plugin.diagnosis.rule import all_rules  # noqa: E402
from tb_featuremap_plugin.diagnosis.verdicts import THRESHOLDS  # noqa: E402
from tb_featuremap_plugin.schema import activations, answers, columns, limits, pictures, tags, verdicts  # noqa: E402

HEADER = "// Written by tools/generate.py from tb_featuremap_plugin/schema: change that, and run `make generate`.\n"
SCALARS = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", object: "unknown"}
NAMED = ("PictureKind", "TableName", "Severity", "TargetKind", "Role", "Condition", "HealthyRange")
"""Types of `schema.answers` that have a name in TypeScript too."""

Lines = list[str]

USED_LIMITS = ("MAX_HEADER_BYTES", "MAX_SECTION_BYTES", "MAX_DIMENSIONS", "MAX_SECTIONS", "MAX_NAME_CHARACTERS", "MAX_BATCH_PARTS")
"""Limits that the dashboard holds to; the others bound what the backend reads."""

USED_PICTURE_FACTS = ("FORMAT_VERSION", "TOP_CODE", "NEG_INF_CODE", "POS_INF_CODE", "NAN_CODE")

NOTHING = "\N{EN DASH}"


def types_file() -> str:
    """types.gen.ts: every JSON answer as an interface."""
    named = [f"{comment(docs_of(answers).get(name))}export type {name} = {ts_type(vars(answers)[name], whole=True)};\n" for name in NAMED]
    dicts = [value for value in vars(answers).values() if is_typeddict(value)]
    return "\n".join([HEADER, *named, *map(interface, dicts)])


def interface(kind: type) -> str:
    """An interface with the fields of a TypedDict, those of its bases among them."""
    fields = "".join(f"  readonly {field}: {ts_type(hint)};\n" for field, hint in get_type_hints(kind).items())
    return f"{comment(inspect.getdoc(kind))}export interface {ts_name(kind)} {{\n{fields}}}\n"


def ts_name(kind: type) -> str:
    """`RunAnswer` is `Run` in TypeScript."""
    return kind.__name__.removesuffix("Answer")


def ts_type(hint: Any, *, whole: bool = False) -> str:
    """A Python type in TypeScript, by its name where it has one unless the whole is wanted.

    Raises:
        TypeError: no JSON value has this type.
    """
    name = next((name for name in NAMED if vars(answers)[name] == hint), None)
    if name and not whole:
        return name
    if hint in SCALARS:
        return SCALARS[hint]
    if is_typeddict(hint):
        return ts_name(hint)
    return _generic(hint, get_origin(hint), get_args(hint))


def _generic(hint: Any, origin: Any, arguments: tuple[Any, ...]) -> str:
    if origin is Literal:
        return " | ".join(json.dumps(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(ts_type, arguments))
    if origin is tuple and Ellipsis not in arguments:
        return f"readonly [{', '.join(map(ts_type, arguments))}]"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"Readonly<Record<string, {ts_type(arguments[1])}>>"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        item = ts_type(arguments[0])
        return f"readonly ({item})[]" if " | " in item or item.startswith("readonly ") else f"readonly {item}[]"
    raise TypeError(f"{hint!r} has no TypeScript type")


def docs_of(module: types.ModuleType) -> dict[str, str]:
    """The strings that stand below assignments, by the name that is assigned."""
    return dict(re.findall(r'^(\w+)\b[^\n]*?=(?:(?!^\w).)*?\n"""(.*?)"""$', inspect.getsource(module), re.M | re.S))


def comment(text: str | None) -> str:
    """A comment that TypeScript's tools show."""
    lines = (text or "").splitlines()
    if len(lines) < 2:
        return "".join(f"/** {line} */\n" for line in lines)
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def schema_file() -> str:
    """schema.gen.ts: columns, statistics, verdicts, names and limits as data."""
    return "\n".join(
        [
            HEADER,
            'import type { HealthyRange, Severity, TableName } from "./types.gen";\n',
            _COLUMN_TYPES,
            *(constant(name, getattr(limits, name)) for name in USED_LIMITS),
            *(constant(name, getattr(pictures, name)) for name in USED_PICTURE_FACTS),
            constant("ITEM_BYTES", {name: int(stored[2:]) for name, stored in pictures.DTYPES.items()}, "as const"),
            constant("DUPLICATE_COSINE", columns.DUPLICATE_COSINE),
            constant("ANSWERS_ID", answers.ANSWERS_ID),
            constant("STYLE_ID", answers.STYLE_ID),
            constant("PLUGIN_NAME", tags.PLUGIN_NAME),
            constant("INPUTS_ROW", columns.INPUTS_ROW),
            constant("TARGETS_ROW", columns.TARGETS_ROW),
            constant("UNKNOWN_VERDICT", verdicts.UNKNOWN),
            constant("UNJUDGED_VERDICT", verdicts.MOVING_STATISTIC),
            typed("layerColumns", "readonly Column[]", [column(one) for one in columns.LAYERS]),
            typed("variableColumns", "readonly Column[]", [column(one) for one in columns.VARIABLES]),
            typed("lossColumns", "readonly Column[]", [column(one) for one in columns.LOSSES]),
            typed("heatMap", "readonly Statistic[]", [statistic(one) for one in columns.HEAT_MAP]),
            typed("verdicts", "readonly Verdict[]", [{"word": one.name, "severity": one.severity} for one in verdicts.VERDICTS]),
            typed("severities", "readonly Severity[]", get_args(answers.Severity)),
            typed("activations", "Readonly<Record<string, Activation>>", _activations()),
            typed("activationNames", "Readonly<Record<string, string>>", _activation_names()),
        ]
    )


_COLUMN_TYPES = """/** How a number is written. */
export type Unit = UNITS;

/** A column of a packed table. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly log: boolean;
  /** Both ends of its axis, where what it is gives them. */
  readonly ends?: readonly [number, number];
  /** Where the values of runs that learn well lie. */
  readonly usual?: HealthyRange;
}

/** What the heat map can show: one column, or the sum, ratio or comparable part of some. */
export interface Statistic extends Column {
  readonly table: Exclude<TableName, "progress">;
  readonly columns: readonly string[];
  readonly how: HOW;
}

/** What a variable can be said to do, from the most to the least alarming. */
export interface Verdict {
  readonly word: string;
  readonly severity: Severity | "fine" | "";
}

/** What follows from which activation it is. */
export interface Activation {
  /** A unit that is never above 0 is dead. */
  readonly rectifies?: true;
  /** Values below the first or above the second are saturated; null is no bound. */
  readonly unsaturated?: HealthyRange;
}
""".replace("UNITS", " | ".join(f'"{unit}"' for unit in get_args(columns.Unit))).replace(
    "HOW", " | ".join(f'"{how}"' for how in get_args(get_type_hints(columns.Statistic)["how"]))
)


def constant(name: str, value: object, suffix: str = "") -> str:
    """One constant."""
    return " ".join(["export const", name, "=", _entry(value), *([suffix] if suffix else [])]) + ";"


def typed(name: str, kind: str, value: object) -> str:
    """A constant of a type, a line an entry."""
    return f"\nexport const {name}: {kind} = {_layout(value)};"


def _layout(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "[\n" + "".join(f"  {_entry(one)},\n" for one in value) + "]"
    assert isinstance(value, dict)
    return "{\n" + "".join(f"  {_key(key)}: {_entry(one)},\n" for key, one in value.items()) + "}"


def _entry(value: object) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    return "{ " + ", ".join(f"{key}: {json.dumps(one)}" for key, one in value.items()) + " }" if value else "{}"


def _key(text: str) -> str:
    return text if re.fullmatch(r"[a-z_]\w*", text) else json.dumps(text)


def column(one: columns.Column) -> dict[str, object]:
    """What the dashboard needs of a column."""
    fields: dict[str, object] = {"name": one.name, "title": one.title, "unit": one.unit, "log": one.log}
    if one.ends is not None:
        fields["ends"] = one.ends
    if one.usual != (None, None):
        fields["usual"] = one.usual
    return fields


def statistic(one: columns.Statistic) -> dict[str, object]:
    """What the heat map needs of a statistic."""
    return {**column(one.column), "name": one.name, "table": one.table, "columns": one.columns, "how": one.how}


def activation(one: activations.Activation) -> dict[str, object]:
    """What the dashboard needs of an activation to judge the channels of a picture as `diagnosis.channel_health` does."""
    fields: dict[str, object] = {"rectifies": True} if one.rectifies else {}
    if one.unsaturated is not None:
        fields["unsaturated"] = [bound if math.isfinite(bound) else None for bound in one.unsaturated]
    return fields


def _activations() -> dict[str, dict[str, object]]:
    """By the catalogue's name, those from which something follows."""
    return {one.name: facts for one in activations.ACTIVATIONS if (facts := activation(one))}


def _activation_names() -> dict[str, str]:
    """The catalogue's name of each other spelling, without case and punctuation."""
    return {activations.bare(alias): one.name for one in activations.ACTIVATIONS for alias in (one.name, *one.aliases)}


def column_table(table: Sequence[columns.Column]) -> Lines:
    """A row a column."""
    rows = [f"| `{one.name}` | {one.doc} | {one.unit} | {_range(one.usual, one.unit)} |" for one in table]
    return ["| column | what it is | unit | usual |", "|---|---|---|---|", *rows]


def _range(usual: columns.Bounds, unit: str) -> str:
    low, high = (
        None if bound is None else f"{100 * bound:g} %" if unit in ("share", "ratio") and high_is_share(usual) else f"{bound:g}"
        for bound in usual
    )
    if low is None and high is None:
        return ""
    if low == high:
        return str(low)
    return f"up to {high}" if low is None else f"from {low}" if high is None else f"{low} to {high}"


def high_is_share(usual: columns.Bounds) -> bool:
    """Whether a range is one of shares, which are written in per cent."""
    return all(bound is None or 0 <= bound <= 1 for bound in usual)


def statistic_table() -> Lines:
    """A row a statistic of the heat map."""
    rows = [f"| {one.column.title} | {one.column.doc} | {_range(one.column.usual, one.column.unit)} |" for one in columns.HEAT_MAP]
    return ["| statistic | what it is | usual |", "|---|---|---|", *rows]


def limit_table() -> Lines:
    """A row a limit, with its reason."""
    docs = docs_of(limits)
    rows = [
        f"| `{name}` | {_size(name, value)} | {' '.join(docs[name].split())} |"
        for name, value in vars(limits).items()
        if name.startswith("MAX_")
    ]
    return ["| limit | value | reason |", "|---|---|---|", *rows]


def _size(name: str, value: int) -> str:
    if name.endswith("_BYTES") and value % 2**20 == 0:
        return f"{value // 2**20} MiB"
    return f"2<sup>{value.bit_length() - 1}</sup>" if value > 2**32 else f"{value:,}"


def verdict_table() -> Lines:
    """A row a verdict."""
    thresholds = {name: _scientific(value) for name, value in THRESHOLDS.items()}
    rows = [f"| `{one.name}` | {one.severity or NOTHING} | {one.condition.format(**thresholds)} |" for one in verdicts.VERDICTS]
    return ["| verdict | marked as | condition |", "|---|---|---|", *rows]


def rule_table() -> Lines:
    """A row a rule, causes first, or several where a rule has several kinds of findings."""
    rows = [(rule.name, doc) for rule in all_rules() for doc in rule.docs]
    lines = [
        f"| `{name}`{f', {doc.when}' if doc.when else ''} | {doc.says} | {doc.condition} | {doc.usual or NOTHING} |" for name, doc in rows
    ]
    return ["| rule | says | condition | measured where all is well |", "|---|---|---|---|", *lines]


def _scientific(value: float) -> str:
    return f"{value:g}" if abs(value) >= 1e-2 else re.sub(r"e-0*", "e-", f"{value:.0e}")


def _codes(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


TABLES: dict[str, Callable[[], Lines]] = {
    "layers": lambda: column_table(columns.LAYERS),
    "variables": lambda: column_table(columns.VARIABLES),
    "progress": lambda: column_table(columns.PROGRESS),
    "channels": lambda: column_table((*columns.CHANNELS, *columns.RANGES)),
    "filters": lambda: column_table(columns.FILTERS),
    "heat map": statistic_table,
    "limits": limit_table,
    "verdicts": verdict_table,
    "rules": rule_table,
}


def page(text: str) -> str:
    """A page with its generated tables as they are now."""

    def replaced(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n" + "\n".join(TABLES[match[1]]()) + "\n<!-- end -->"

    return re.sub(r"<!-- generated: ([\w ]+) -->\n.*?<!-- end -->", replaced, text, flags=re.S)


def outputs() -> dict[Path, str]:
    """Every file that is written, as it should be."""
    sources = ROOT / "frontend" / "src"
    pages = {path: page(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "docs").glob("*.md"))}
    return {sources / "types.gen.ts": types_file(), sources / "schema.gen.ts": schema_file() + "\n", **pages}


def main() -> int:
    """Writes all of them, or checks them."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} does not follow from tb_featuremap_plugin/schema: run `make generate`")
        return 1 if stale else 0
    found = outputs()
    for path in stale:
        path.write_text(found[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
