"""The ranges in which the statistics of runs that learn well lie, for charts, the heat map and the rules' messages.

Source: 94 small networks that learn (convolutional, dense, residual, normalised; ten optimizers; tables, digits, textures), 5 % to
95 % of them, layers and variables taken together. They are rules of thumb: a run outside them may be well, which is why no rule
looks at a range alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from tb_featuremap_plugin.diagnosis.findings import Chart

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Statistic:
    """How a column is drawn.

    Attributes:
        label: what it is, in words.
        healthy: lowest and highest usual value; None where that side has no bound.
        log: whether its axis is better logarithmic.
    """

    label: str
    healthy: Bounds
    log: bool = False


STATISTICS: dict[str, dict[str, Statistic]] = {
    "layers": {
        "input_share": Statistic("Share of the output that depends on the input", (0.018, 1.0), log=True),
        "std": Statistic("Spread of the output (standard deviation)", (0.05, 2.0), log=True),
        "max": Statistic("Largest output", (None, 100.0), log=True),
        "dead_units": Statistic("Share of units that are never active", (0.0, 0.5)),
        "saturated": Statistic("Share of values at the limits of the activation", (0.0, 0.4)),
        "nan": Statistic("NaN values", (0.0, 0.0)),
        "above_one": Statistic("Share of values above 1", (0.0, 0.5)),
        "below_zero": Statistic("Share of values below 0", (0.0, 0.5)),
    },
    "variables": {
        "update_ratio": Statistic("Update of one step over the weights' size", (0.001, 0.065), log=True),
        "gradient_norm": Statistic("Gradient norm", (None, 100.0), log=True),
        "cosine": Statistic("Direction of an update against the one before", (-0.43, 1.0)),
        "lost": Statistic("Share of updates lost to rounding", (0.0, 0.01)),
        "unit_spread": Statistic("Difference between units", (0.1, None)),
        "duplicates": Statistic("Share of filters that are copies", (0.0, 0.5)),
        "norm": Statistic("Size of the weights (norm)", (None, None)),
        "std": Statistic("Spread of the weights (standard deviation)", (None, None), log=True),
        "displacement": Statistic("Distance from the first value", (None, None)),
        "nan": Statistic("NaN values", (0.0, 0.0)),
    },
    "losses": {"loss": Statistic("Loss", (None, None))},
}


def chart(table: str, row: str, column: str, *, healthy: Bounds | None = None, log: bool | None = None) -> Chart:
    """The chart of one curve, with its usual range unless another is given."""
    statistic = STATISTICS[table][column]
    return Chart(table, row, column, statistic.label, healthy or statistic.healthy, statistic.log if log is None else log)


def healthy_ranges() -> dict[str, dict[str, list[float | None]]]:
    """All ranges that have a bound, as plain JSON values, by table and column."""
    return {
        table: {column: list(one.healthy) for column, one in statistics.items() if one.healthy != (None, None)}
        for table, statistics in STATISTICS.items()
        if table != "losses"
    }
