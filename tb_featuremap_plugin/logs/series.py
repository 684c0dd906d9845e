"""One number over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tb_featuremap_plugin.logs.optional import import_pandas
from tb_featuremap_plugin.reading.run import Float32, Int64, Points
from tb_featuremap_plugin.schema.one_line import described, quoted, span

if TYPE_CHECKING:
    import pandas as pd


class Series:
    """One number over the steps: the loss, or a scalar of a run.

    Attributes:
        name: what it is.
        steps: [T], strictly increasing.
        values: [T].
    """

    def __init__(self, name: str, points: Points | None) -> None:
        self.name = name
        self.steps: Int64 = np.empty(0, np.int64) if points is None else points.steps
        self.values: Float32 = np.empty(0, np.float32) if points is None else points.values

    def to_pandas(self) -> pd.Series[float]:
        """The values as a pandas Series whose index is the step.

        Raises:
            ImportError: pandas is not installed.
        """
        pandas = import_pandas()
        return pandas.Series(self.values, index=pandas.Index(self.steps, name="step"), name=self.name)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        last = f"last value {self.values[-1]:.6g}" if len(self) else None
        return described("Series", quoted(self.name), span(self.steps.tolist()), last)
