"""Sentences of a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from tb_featuremap_plugin.comparing.causes import Cause, is_multiple
from tb_featuremap_plugin.comparing.comparison import LEARNING_RATE, LOSS, OUTPUT, WEIGHTS
from tb_featuremap_plugin.comparing.scan import Parted, Scan
from tb_featuremap_plugin.comparing.sites import LAYERS, VARIABLES, Pair, Site
from tb_featuremap_plugin.diagnosis.phrases import names, number, percent


def count(amount: int, noun: str) -> str:
    """A number and what it counts: "1 layer", "2 layers"."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def agreement(scan: Scan) -> str:
    """What was compared and agrees throughout."""
    variables, layers = (sum(site.table == table for site in scan.pair.shared) for table in (VARIABLES, LAYERS))
    losses = len(scan.steps) - len(scan.logged)
    between = f" and the loss at {count(losses, 'step')} between them" if losses > 0 else ""
    looked_at = (
        f"{count(variables, 'variable')} and {count(layers, 'layer')} at {count(len(scan.logged), 'step')}"
        f" ({scan.steps[0]:,} to {scan.steps[-1]:,}){between}"
    )
    if scan.noise.level == 0:
        return f"Both runs are the same: {looked_at} agree bit for bit as far as logged."
    noise = f"the largest difference is {number(scan.noise.level)} of its size (`{scan.noise.row}`, step {scan.noise.step:,})"
    return f"Both runs are the same within float noise: {looked_at} agree; {noise}."


def parting(scan: Scan, step: int, found: Sequence[Parted], cause: Cause) -> str:
    """Where two runs part, and what that is known by."""
    if cause.what == LEARNING_RATE:
        text = f"The runs part at step {step:,}: the learning rate is {_both(cause.parted)}."
    elif cause.what == LOSS:
        text = f"The runs part at step {step:,}: the loss is {_both(cause.parted)}, while {_rest(scan, step)}."
    elif cause.what == OUTPUT:
        text = _output(scan, step, cause)
    else:
        text = _weights(scan, step, found, cause)
    return f"{text} {_before(scan, step)}"


def _output(scan: Scan, step: int, cause: Cause) -> str:
    parted = cause.parted
    text = f"The runs part at step {step:,} in the output of `{parted.number.row}`: its {_column(parted)} is {_both(parted)}."
    if cause.how == "unexplained":
        return f"{text} That is far more than the small differences of its inputs and weights explain: it computes something else."
    owners = {site.layer for site in scan.pair.shared if site.table == VARIABLES}
    own = "what comes in and its own weights agree" if cause.layer in owners else "what comes in agrees"
    return f"{text} All weights agree at this step, and so do the outputs before it: {own}, so it computes something else."


def _weights(scan: Scan, step: int, found: Sequence[Parted], cause: Cause) -> str:
    if cause.how in ("at once", "scaled"):
        return _at_once(scan, step, found, cause)
    parted = cause.parted
    where = f" of layer `{cause.layer}`" if cause.layer is not None and cause.layer not in parted.number.row else ""
    text = f"The runs part at step {step:,} in `{parted.number.row}`{where}: {_how_much(parted)}."
    if cause.how == "stays" and parted.moved is not None:
        stays, moves = ("b", "a") if parted.moved[0] else ("a", "b")
        return f"{text} It stays as it was in {stays} and changes in {moves}: is it frozen in {stays}?"
    others = len({one.number.row for one in found if one.what == WEIGHTS}) - 1
    if cause.how == "outstanding":
        factor = f"{number(parted.updates)} times the largest update of this step"
        return f"{text} That is {factor}; {_differ(others)} by far less, as a consequence."
    total = sum(site.table == VARIABLES for site in scan.pair.shared) - 1
    if is_multiple(parted):
        text += " One is a multiple of the other: another scale."
    if others == 0 and total > 0:
        rest = "The other variable agrees" if total == 1 else f"All {total:,} other variables agree"
        return f"{text} {rest} at this step."
    return f"{text} {_differ(others)} as well." if others else text


def _differ(others: int) -> str:
    return f"{count(others, 'other variable')} differ{'s' if others == 1 else ''}"


def _at_once(scan: Scan, step: int, found: Sequence[Parted], cause: Cause) -> str:
    kernels = [one for one in found if one.is_kernel]
    text = f"The runs part at step {step:,} in {count(len(kernels), 'kernel')} of all layers at once, the first {_named(kernels[0])}."
    if cause.how == "scaled":
        return f"{text} Each is a multiple of the other run's: another scale of the start."
    if any(one.what == LOSS for one in found):
        return f"{text} The loss of this step differs too, as after another batch, augmentation or dropout mask."
    if scan.knows_loss(step):
        return f"{text} The loss of this step agrees, so the batch does: look at the optimizer, its learning rate or clipping."
    return text


def _named(parted: Parted) -> str:
    return f"`{parted.number.row}` by {percent(parted.body)} of its size"


def _how_much(parted: Parted) -> str:
    column, channel = parted.number.column, parted.number.channel
    place = "" if channel is None else f" of filter {channel}"
    if column == "value" and parted.entries == 1:
        return f"one entry{place} differs: it is {_both(parted)}"
    if column == "value":
        return f"{parted.entries or 0:,} entries differ, the largest difference is one{place}: {_both(parted)}"
    return f"its {_column(parted)}{place} is {_both(parted)}"


def _both(parted: Parted) -> str:
    """Both numbers, "0.1 in a and 0.2 in b", with as many digits as it takes to tell them apart."""
    a, b = parted.number.a, parted.number.b
    first, second = number(a), number(b)
    if first == second:
        first, second = f"{a:.9g}", f"{b:.9g}"
    return f"{first} in a and {second} in b"


def _column(parted: Parted) -> str:
    column = {"norm": "root mean square", "rms": "root mean square", "std": "standard deviation"}.get(parted.number.column)
    return column or parted.number.column


def _rest(scan: Scan, step: int) -> str:
    return "all weights and outputs agree" if step in scan.logged else "weights and outputs were not logged by both at this step"


def _before(scan: Scan, step: int) -> str:
    if not scan.checked:
        where = "" if step <= 1 else " It is the first step that both logged: they may have parted before it."
        return f"Nothing earlier can be compared.{where}" if step > 0 else "Step 0 is the start."
    within = "bit for bit" if scan.noise.level == 0 else f"within float noise ({number(scan.noise.level)} of their size)"
    text = f"The {count(len(scan.checked), 'step')} before it {'agrees' if len(scan.checked) == 1 else 'agree'} {within}."
    last = scan.checked[-1]
    return text if step - last <= 1 else f"{text} No step between {last:,} and {step:,} can be compared."


def by_statistics(scan: Scan) -> list[str]:
    """Of which kernels single entries may differ unseen, where runs are called the same."""
    if not scan.unseen:
        return []
    stored = "not every weight is stored by both at every step, so that these were compared by their statistics"
    return [f"Single weights may differ unseen in {names(scan.unseen)}: {stored}."]


def missing(found: dict[Site, str]) -> list[str]:
    """What only one of the runs logged."""
    sentences = []
    for run in "ab":
        rows = [site.row for site, held in found.items() if held == run]
        if rows:
            sentences.append(f"Logged in {run} alone: {names(list(dict.fromkeys(rows)))}.")
    return sentences


def schedules(pair: Pair, scan: Scan) -> list[str]:
    """Which steps were left out, where the runs were logged at different ones."""
    logged = [_steps(pair, run) for run in "ab"]
    if not scan.logged or logged[0] == logged[1] == set(scan.logged):
        return []
    return [
        f"Logged at different steps: {count(len(logged[0]), 'step')} in a, {len(logged[1]):,} in b; "
        f"weights and outputs were compared at the {len(scan.logged):,} of both."
    ]


def named_otherwise(pair: Pair) -> list[str]:
    """Optimizer and loss, where the runs name them differently."""
    first, second = pair.records
    found = [
        (word, getattr(first, name), getattr(second, name))
        for word, name in (("optimizer", "optimizer"), ("loss function", "loss"), ("weight decay", "weight_decay"))
    ]
    return [f"The {word} is {a} in a and {b} in b." for word, a, b in found if a is not None and b is not None and a != b]


def _steps(pair: Pair, which: str) -> set[int]:
    run = pair.a if which == "a" else pair.b
    return {int(step) for table in (run.layers, run.variables) if table is not None for step in table.steps}
