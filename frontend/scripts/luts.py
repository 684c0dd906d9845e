"""Writes src/draw/lut_data.ts, test/luts.json and the package's schema/colours.py from matplotlib's public colour tables: `pip install matplotlib && python luts.py`.

Viridis and cividis change by a few levels from entry to entry, so differences as letters compress to a few hundred bytes. The
diverging table is ColorBrewer's RdBu, blue below zero and red above, from its eleven colours; entries 127 and 128 are both zero.
"""

import json
import textwrap
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import _cm, colormaps

FRONTEND = Path(__file__).parent.parent
PACKAGE = FRONTEND.parent / "tb_featuremap_plugin"
LETTER_OF_ZERO = ord("M")
WIDTH = 120
MARKS = {"nan": (255, 0, 255), "posInf": (255, 0, 0), "negInf": (43, 0, 255), "high": (255, 109, 0), "low": (0, 229, 255)}

FACTS = '''"""Colours. Written by frontend/scripts/luts.py from matplotlib's colour tables, as `frontend/src/draw/lut_data.ts` is."""

LETTER_OF_ZERO = "{zero}"
"""Tables are red, green and blue: the first entry as a number, each other one as a letter that stands so far from this one."""

{tables}
MARKS = {{
{marks}
}}
"""Red, green and blue of what no colour map can show; the same as in `frontend/src/draw/marks.ts`."""
'''


def table_of(name: str) -> npt.NDArray[np.int64]:
    """A table of matplotlib's, [256, 3], in 0..255."""
    return np.round(colormaps[name](np.arange(256))[:, :3] * 255).astype(np.int64)


def letters(table: npt.NDArray[np.int64]) -> str:
    """Red, then green, then blue: each entry as its difference from the one before, the first from 0 written as a number."""
    return " ".join(f"{channel[0]} " + "".join(chr(LETTER_OF_ZERO + d) for d in np.diff(channel)) for channel in table.T)


def diverging(stops: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The stops interpolated to 256 entries, so that the middle stop is both 127 and 128."""
    places = np.concatenate([np.linspace(0, 5, 128), np.linspace(5, 10, 128)])
    columns = [np.interp(places, np.arange(11), stops[:, channel]) for channel in range(3)]
    return np.floor(np.stack(columns, axis=1) + 0.5).astype(np.int64)


def facts(tables: dict[str, str]) -> str:
    """The same for Python, in short lines."""
    written = "".join(f"{name} = {_literal(text)}\n" for name, text in tables.items())
    marks = textwrap.indent("\n".join(f'"{name}": {colour},' for name, colour in MARKS.items()), "    ")
    return FACTS.format(zero=chr(LETTER_OF_ZERO), tables=written, marks=marks)


def _literal(text: str) -> str:
    lines = [f'"{text[at : at + WIDTH]}"' for at in range(0, len(text), WIDTH)]
    return lines[0] if len(lines) == 1 else "(\n" + "".join(f"    {line}\n" for line in lines) + ")"


def main() -> None:
    """Writes all three."""
    stops = np.round(np.array(_cm._RdBu_data) * 255).astype(np.int64)[::-1]
    tables = {"viridis": table_of("viridis"), "cividis": table_of("cividis")}
    texts = {name.upper(): letters(table) for name, table in tables.items()}
    texts["DIVERGING_STOPS"] = " ".join("".join(f"{level:02x}" for level in stop) for stop in stops)
    source = [
        "// Written by scripts/luts.py from matplotlib's colour tables.",
        "// biome-ignore-all format: one line a table",
        *(f'export const {name} = "{text}";' for name, text in texts.items()),
    ]
    (FRONTEND / "src" / "draw" / "lut_data.ts").write_text("\n".join(source) + "\n")
    (PACKAGE / "schema" / "colours.py").write_text(facts(texts))
    tables |= {"diverging": diverging(stops)}
    (FRONTEND / "test" / "luts.json").write_text(json.dumps({name: table.tolist() for name, table in tables.items()}) + "\n")


main()
