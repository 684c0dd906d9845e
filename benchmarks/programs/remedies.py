"""The first advice of a diagnosis taken literally: applied to the recipe of a faulty program, which is then trained again.

`python -m benchmarks.programs.remedies FOLDER` prints, for each recipe, its skill with the fault, with the advice and with the true mend.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.programs.recipes import RECIPES, Recipe, train
from tb_featuremap_plugin.diagnosis import Finding, diagnose
from tb_featuremap_plugin.reading.events import EventSource

HALF = 0.5
LEAST = 0.1
"""A true mend that gives less than this shows nothing."""

GOAL = 25 / 30

Change = Callable[[Recipe, re.Match[str]], Recipe]


def _factor(text: str) -> float:
    return float(text.replace(",", ""))


def _scaled(recipe: Recipe, _: re.Match[str]) -> Recipe:
    return replace(recipe, scale=1.0, shift=0.0)


def _pixels(recipe: Recipe, _: re.Match[str]) -> Recipe:
    return replace(recipe, scale=recipe.scale / 255, shift=recipe.shift / 255)


def _normal(recipe: Recipe, found: re.Match[str]) -> Recipe:
    """The kernels of the hidden layers begin as the advice says for their activation."""
    squashed = recipe.activation in ("Tanh", "Sigmoid")
    start = "glorot_uniform" if squashed and "glorot_uniform" in found.string else "he_normal"
    return replace(recipe, start=start, bias=0.0)


def _rectified(recipe: Recipe, _: re.Match[str]) -> Recipe:
    return replace(recipe, activation="ReLU", start="he_normal")


CHANGES: Sequence[tuple[str, Change]] = (
    (r"Divide the learning rate by ([\d,.]+) to", lambda recipe, found: replace(recipe, rate=recipe.rate / _factor(found[1]))),
    (r"Divide the learning rate by ([\d,.]+)", lambda recipe, found: replace(recipe, rate=recipe.rate / _factor(found[1]))),
    (r"Multiply the learning rate by ([\d,.]+)", lambda recipe, found: replace(recipe, rate=recipe.rate * _factor(found[1]))),
    (r"Divide the pixels by 255", _pixels),
    (r"Subtract from each feature its mean", _scaled),
    (r"Check that the inputs are scaled only once", _scaled),
    (r"Scale the input to about -1..1", _scaled),
    (r"Scale the targets: subtract their mean", lambda recipe, _: replace(recipe, target_scale=1.0, target_shift=0.0)),
    (r"Use re?lu with he_normal|Use ReLU instead of squashing", _rectified),
    (r"Initialise kernels at random|he_normal|glorot_uniform", _normal),
    (r"Use leaky_relu", lambda recipe, _: replace(recipe, activation="LeakyReLU")),
    (r"Remove the (softmax|sigmoid|relu|tanh)", lambda recipe, _: replace(recipe, last="")),
    (r"[Nn]o activation in the last layer|Use no activation", lambda recipe, _: replace(recipe, last="")),
    (r"Use dim=-1", lambda recipe, _: replace(recipe, last=recipe.last.removesuffix(" over the batch"))),
    (r"log_softmax|LogSoftmax", lambda recipe, _: replace(recipe, last="log_softmax")),
    (r"unsqueeze|squeeze|reshape|the same shape", lambda recipe, _: recipe.without("flat targets")),
    (r"optimizer.zero_grad\(\)", lambda recipe, _: recipe.without("keeps gradients")),
    (r"Call optimizer.step\(\)", lambda recipe, _: recipe.without("no step")),
    (r"Call model.train\(\)", lambda recipe, _: recipe.without("eval mode")),
    (r"detach\(\)", lambda recipe, _: recipe.without("detach")),
    (r"optimizer of model.parameters\(\)|Give the optimizer these parameters", lambda recipe, _: replace(recipe, learns="all")),
    (r"[Ll]oad the trained weights|let them train", lambda recipe, _: replace(recipe, frozen=False)),
    (r"Clip to a norm of 1", lambda recipe, _: replace(recipe, clip=1.0)),
    (r"Divide the weight decay by 100", lambda recipe, _: replace(recipe, decay=recipe.decay / 100)),
    (r"dropout", lambda recipe, _: replace(recipe, dropout=0.2)),
    (r"Weigh the classes", lambda recipe, _: replace(recipe, weight=(1 - recipe.positives) / recipe.positives)),
    (r"biases? .* (?:at|to) 0|BatchNorm", lambda recipe, _: replace(recipe, norm=True)),
)
"""What a user does who reads an advice that holds these words; the first that fits."""


def applied(recipe: Recipe, advice: str) -> Recipe | None:
    """A recipe changed as an advice says; None where it names no change that can be made."""
    for pattern, change in CHANGES:
        found = re.search(pattern, advice)
        if found is not None:
            return change(recipe, found)
    return None


def headline(folder: Path) -> Finding | None:
    """The first finding of a run that has one to act on."""
    (run,) = EventSource(str(folder)).runs()
    return diagnose(run).headline


def main() -> int:
    """Trains each recipe, with its fault, with the first advice and with the true mend; returns 1 if too few advices help."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.programs.remedies", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; all recipes if none is given")
    names = parser.parse_args().names
    recipes = [recipe for recipe in RECIPES if not names or any(name in recipe.name for name in names)]
    helped = judged = 0
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            faulty = train(recipe, Path(folder))
            finding = headline(Path(folder))
        mended = train(recipe.mended(), None)
        advice = finding.advice[0] if finding and finding.advice else ""
        changed = applied(recipe, advice)
        after = train(changed, None) if changed is not None else faulty
        helps = after - faulty >= HALF * (mended - faulty)
        if mended - faulty < LEAST:
            print(f"shows nothing  {recipe.name}: {faulty:.2f} -> {mended:.2f}", flush=True)
            continue
        judged += 1
        helped += helps
        rule = finding.rule if finding else "nothing found"
        print(
            f"{'helps' if helps else 'FAILS'}  {recipe.name}: {faulty:.2f} -> {after:.2f} of {mended:.2f} by {rule}: {advice!r}", flush=True
        )
    print(f"{helped} of {judged} advices give half of what the true mend gives, or more")
    return int(helped < GOAL * judged)


if __name__ == "__main__":
    sys.exit(main())
