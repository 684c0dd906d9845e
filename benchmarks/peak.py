"""The most memory that a process held, and the command line under such a measurement: `python -m benchmarks.peak diagnose LOGDIR`."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Of this process since its program began, or of the largest of its children. Linux counts what a process was forked from, too."""
    status = Path("/proc/self/status")
    own = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    largest = int(own[1]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * max(largest, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def main() -> int:
    """Runs `tb-featuremap` with its output thrown away, and prints the bytes."""
    from tb_featuremap_plugin.cli.main import main as command

    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        status = command(sys.argv[1:])
    print(peak_bytes())
    return status


if __name__ == "__main__":
    sys.exit(main())
