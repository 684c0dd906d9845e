"""How much is logged unless the user says otherwise, each size with its reason. What is read is bounded in `limits`."""

MAX_PROBE_SAMPLES = 512
"""Samples of a probe. Statistics of more are hardly sharper: the rank of a median is off by 2 % at 512 samples of one value each."""

KEPT_PROBE_SAMPLES = 256
"""What is kept of a larger probe: 6,000 images, README's own line with a whole training set, took 83 s to log in place of 4."""

MAX_STEP_BYTES = 16_000_000
"""A logged step. A thousand of them are 16 GB, so a run has a bound of its own; a browser loads one in a second."""

KERNEL_SHARE = 4
"""Kernels get one part in so many of a step: 4 MB of 16. They change slowly, and their numbers stand in the table of variables."""

MAX_RUN_BYTES = 512_000_000
"""The pictures of a run. Ten runs are 5 GB, which TensorBoard reads in minutes, and which fit on any disk."""

RUN_DECAY = 7 / 8
"""What a doubled interval leaves of the second half of a run's bytes: so it is never used up, however long the run."""

LEAST_UNITS = 8
"""Channels of a picture that is worth its place: fewer say little of a layer."""

MOST_REMARKABLE = 8
"""Remarkable channels of one layer that are pictured before anything else: a layer that is all dead must not take the place of others."""
