"""How much is logged unless the user says otherwise, each size with its reason. What is read is bounded in `limits`."""

MAX_PROBE_SAMPLES = 512
"""Samples of a probe. Statistics of more are hardly sharper: the rank of a median is off by 2 % at 512 samples of one value each."""

KEPT_PROBE_SAMPLES = 256
"""What is kept of a larger probe: 6,000 images, README's own line with a whole training set, took 83 s to log in place of 4."""
