"""Writes THIRD_PARTY_NOTICES: the licences of what is bundled into the dashboard. Needs `npm ci` in frontend/ first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "frontend" / "node_modules"


def bundled() -> list[str]:
    """The run-time dependencies of the frontend, and theirs."""
    names: list[str] = []
    waiting = sorted(_package(ROOT / "frontend")["dependencies"])
    while waiting:
        name = waiting.pop(0)
        if name not in names:
            names.append(name)
            waiting += sorted(_package(PACKAGES / name).get("dependencies", {}))
    return sorted(names)


def notice(name: str) -> str:
    """A package's name, version and licence text."""
    licence = next(path for path in sorted((PACKAGES / name).iterdir()) if path.name.upper().startswith("LICEN"))
    heading = f"{name} {_package(PACKAGES / name)['version']}"
    return f"{heading}\n{'-' * len(heading)}\n\n{licence.read_text(encoding='utf-8').strip()}\n"


def _package(folder: Path) -> dict[str, Any]:
    package: dict[str, Any] = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    return package


if __name__ == "__main__":
    text = "Bundled into the scripts and style.css of tb_featuremap_plugin/static:\n\n" + "\n\n".join(map(notice, bundled()))
    (ROOT / "THIRD_PARTY_NOTICES").write_text(text, encoding="utf-8")
