"""Writes src/draw/lut_data.ts and test/luts.json from matplotlib's public colour tables: `pip install matplotlib && python luts.py`.

Viridis and cividis change by a few levels from entry to entry, so differences as letters compress to a few hundred bytes. The
diverging table is ColorBrewer's RdBu, blue below zero and red above, from its eleven colours; entries 127 and 128 are both zero.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import _cm, colormaps

FRONTEND = Path(__file__).parent.parent
LETTER_OF_ZERO = ord("M")


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


def main() -> None:
    """Writes both files."""
    stops = np.round(np.array(_cm._RdBu_data) * 255).astype(np.int64)[::-1]
    tables = {"viridis": table_of("viridis"), "cividis": table_of("cividis")}
    lines = [f'export const {name.upper()} = "{letters(table)}";' for name, table in tables.items()]
    hexes = " ".join("".join(f"{level:02x}" for level in stop) for stop in stops)
    source = [
        "// Written by scripts/luts.py from matplotlib's colour tables.",
        "// biome-ignore-all format: one line a table",
        *lines,
        f'export const DIVERGING_STOPS = "{hexes}";',
    ]
    (FRONTEND / "src" / "draw" / "lut_data.ts").write_text("\n".join(source) + "\n")
    tables |= {"diverging": diverging(stops)}
    (FRONTEND / "test" / "luts.json").write_text(json.dumps({name: table.tolist() for name, table in tables.items()}) + "\n")


main()
