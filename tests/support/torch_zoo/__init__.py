"""Small torch models, one of each kind of state that a forward may keep: look-alikes of what people and libraries write."""

from tests.support.torch_zoo import computed_weights, hooks, kept_state, modes, outside_state, random_numbers, unusual_forwards
from tests.support.torch_zoo.kit import BATCH, CLASSES, SEEN, TOTALS, WIDTH, ZOO, Case

__all__ = [
    "BATCH",
    "CLASSES",
    "SEEN",
    "TOTALS",
    "WIDTH",
    "ZOO",
    "Case",
    "computed_weights",
    "hooks",
    "kept_state",
    "modes",
    "outside_state",
    "random_numbers",
    "unusual_forwards",
]
