"""How often the diagnosis is right: small trainings whose fault is known, and small trainings that have none.

    python -m benchmarks.diagnosis [NAME ...] [--fraction 0.5] [--seeds 3] [--quiet]

Everything is made here: data from formulas, networks of a few layers, nothing to download. Each set-up is trained through
`fm.torch.watch` as a user would, and what `diagnose` says of it is compared with what is known of it.
"""
