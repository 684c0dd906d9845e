"""A page that holds the bundle and all it asks for, and in which nothing else can run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable

from tb_featuremap_plugin._version import __version__
from tb_featuremap_plugin.schema.answers import ANSWERS_ID, STYLE_ID
from tb_featuremap_plugin.server import assets

_SCRIPT = f'import "{assets.MODULE}";'

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<meta name="generator" content="tb-featuremap-plugin {version}">
<title>{title}</title>
<style id="{style_id}">{style}</style>
</head>
<body>
<script type="application/json" id="{answers_id}">{answers}</script>
<script type="importmap">{imports}</script>
<script type="module">{script}</script>
</body>
</html>
"""

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src {digests} data:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""The bundle may run, and what it imports from the page itself; no other markup may, and nothing may be fetched from anywhere."""


def compose(found: Iterable[tuple[str, bytes]], title: str) -> bytes:
    """The page with these answers, by the addresses at which the bundle asks for them."""
    encoded = {where: base64.b64encode(answer).decode("ascii") for where, answer in found}
    imports = _import_map()
    page = _PAGE.format(
        policy=_POLICY.format(digests=" ".join(map(_digest, [imports, _SCRIPT]))),
        version=__version__,
        title=html.escape(title),
        style_id=STYLE_ID,
        style=_embeddable(assets.text(assets.STYLE), "style"),
        answers_id=ANSWERS_ID,
        answers=json.dumps(encoded).replace("<", "\\u003c"),
        imports=imports,
        script=_SCRIPT,
    )
    return page.encode()


def _import_map() -> str:
    """Where the page finds the bundle's scripts, and they each other: in the page."""
    return json.dumps({"imports": {name: _data_url(_by_bare_names(assets.text(name))) for name in assets.SCRIPTS}})


def _by_bare_names(script: str) -> str:
    """The script with the bundle's scripts named, not addressed: from a data: address nothing is relative."""
    for name in assets.SCRIPTS:
        script = script.replace(f'"./{name}"', f'"{name}"')
    return script


def _data_url(script: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode('ascii')}"


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def _embeddable(text: str, element: str) -> str:
    if re.search(rf"</{element}|<!--|\r", text, re.IGNORECASE):
        raise AssertionError(f"the bundle cannot stand inside a <{element}> element")
    return text
