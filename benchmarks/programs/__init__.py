"""Programs as users write them, logged by the one line of the manual and nothing else: `python -m benchmarks.programs`.

Each program is trained once, logged at every step, into a folder that is kept. What the diagnosis says is then tried in seconds on the
first 5, 20 and 60 steps, on all of them, and on every tenth. Healthy programs must never be alarmed, whenever one looks.
"""
