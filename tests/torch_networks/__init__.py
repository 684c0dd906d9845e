"""Small networks that treat their axes in every way that real ones do."""

from __future__ import annotations

from tests.torch_networks import maps, sequences, tokens
from tests.torch_networks.registry import NETWORKS

__all__ = ["NETWORKS", "maps", "sequences", "tokens"]
