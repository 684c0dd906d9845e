"""What the dashboard asks its backend for, as seen from outside: a request may ask for several answers at once."""

from __future__ import annotations

from urllib.parse import parse_qsl

BASE = "/data/plugin/featuremaps/"
BUNDLE = (".js", ".css")


def answers_asked_for(url: str) -> list[str]:
    """Addresses of the answers that a request asks for, such as "losses?run=a"; none where it asks for something else."""
    _, found, address = url.partition(BASE)
    route, _, query = address.partition("?")
    if not found or route.endswith(BUNDLE):
        return []
    return [part for _, part in parse_qsl(query)] if route == "batch" else [address]
