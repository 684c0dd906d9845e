"""Statistics of layers over all workers, where all of them have agreed to join."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tb_featuremap_plugin.measures.activations.accumulator import ActivationAccumulator
from tb_featuremap_plugin.measures.activations.joining import join, without_samples
from tb_featuremap_plugin.monitor.sharded_weights import JoinedVariable, LocalVariable
from tb_featuremap_plugin.monitor.workers import Agreement, Team

Shares = Mapping[str, ActivationAccumulator]


class NotJoinedError(RuntimeError):
    """Workers did not join their statistics of a step."""


@dataclass(frozen=True)
class Joined:
    """What came of joining.

    Attributes:
        layers: statistics over all workers, by row; empty where nothing was joined.
        variables: those of which each worker holds a part.
        own_share: whether layers are to be measured from this worker's share instead. Not where another worker failed at this step:
            its samples would be missing from this step alone.
        problem: why nothing was joined; empty where it was, and for a single process.
    """

    layers: Shares = field(default_factory=dict)
    variables: Mapping[str, JoinedVariable] = field(default_factory=dict)
    own_share: bool = True
    problem: str = ""


def plan_of(shares: Shares, shards: Mapping[str, LocalVariable]) -> str:
    """What must be equal on all workers, as a digest."""
    text = ";".join(f"{row}:{share.channels}x{share.positions}" for row, share in shares.items())
    text += "".join(
        f"\n{name}:{one.part.shape}:{sorted(one.part.others)}:{one.gap}:{one.part.offset is None}" for name, one in shards.items()
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def join_layers(team: Team, agreement: Agreement, shares: Shares) -> Shares:
    """Joins what all workers measured, after all have agreed; samples that several workers have count once.

    Args:
        team: who train together.
        agreement: what they said.
        shares: this worker's statistics by row.
    """
    own = [without_samples(share) if team.rank in agreement.repeated else share for share in shares.values()]
    return dict(zip(shares, join(own, team.all_reduce), strict=True))
