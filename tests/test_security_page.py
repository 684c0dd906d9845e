"""docs/security.md names every limit and points at tests that exist."""

from __future__ import annotations

import re

from tb_featuremap_plugin.schema import limits


def test_every_limit_is_explained(repository):
    page = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    assert [name for name in vars(limits) if name.startswith("MAX_") and f"`{name}`" not in page] == []
    known = {f"limits.{name}" for name in vars(limits)}
    assert set(re.findall(r"`(limits\.\w+)`", page)) <= known


def test_every_test_it_points_at_exists(repository):
    for name in ("security.md", "reliability.md"):
        page = (repository / "docs" / name).read_text(encoding="utf-8")
        pointed = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
        assert len(pointed) > 3
        assert [path for path in pointed if not (repository / path).exists()] == []
