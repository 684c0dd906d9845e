"""Frameworks whose models are followed, and libraries on top of them: whose versions stand in a run record, and who may import them."""

from __future__ import annotations

FRAMEWORKS = ("tensorflow", "keras", "torch", "jax", "flax", "equinox", "haiku")
"""By the names under which they are imported."""
