"""Two runs that were read back, held against each other."""

from __future__ import annotations

from tb_featuremap_plugin.comparing import Comparison
from tb_featuremap_plugin.comparing import compare as compare_read
from tb_featuremap_plugin.logs.run import Run, as_read


def compare(a: Run, b: Run) -> Comparison:
    """The first step, layer and channel at which two runs part, beyond what float noise explains.

    Args:
        a, b: as `fm.open` gives them, of one logdir or of two. Steps that only one of them logged are left out, and that is said.

    Returns:
        Whether they are the same, and if not, where they part first and what differs there; docs/comparing.md has the threshold.

    Raises:
        TypeError: one of them is not a run.
    """
    for name, run in (("a", a), ("b", b)):
        if not isinstance(run, Run):
            raise TypeError(f"{name} is a {type(run).__name__}; allowed is a run, such as fm.open('logs')['train']")
    (run_a, source_a), (run_b, source_b) = as_read(a), as_read(b)
    return compare_read(run_a, run_b, source_a, source_b)
