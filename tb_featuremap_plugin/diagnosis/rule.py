"""What a rule is, how the rules of this package are found, and in which order they explain each other."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from tb_featuremap_plugin.diagnosis import rules as rules_package
from tb_featuremap_plugin.diagnosis.findings import Finding
from tb_featuremap_plugin.diagnosis.run_view import RunView

ORDER = (
    "non_finite: overflow",  # float16 overflows where float32 would merely be badly scaled
    "unscaled_input",
    "wrong_axis",
    "frozen_but_moving",
    "wrong_output",
    "gradient_accumulates",
    "eval_mode_training",
    "batchnorm_frozen",
    "unregistered_layers",
    "tying_broken",
    "unscaled_targets",
    "gradient_clipped",
    "bad_init",
    "exploding_activation",
    "flat_loss: weights wither",  # small weights are why a signal is lost then, and why an answer is the same for every input
    "vanishing_activation",
    "dropout_too_high",  # the other rules see what too few numbers do
    "too_fast",
    "non_finite",
    "bad_init: too small",  # where the signal is next to nothing from the start, the first updates of the biases decide which units live
    "saturated_activation",
    "dead_units: nothing passes",  # before the rules on gradients: where nothing passes, none comes back
    "bad_init: too large",  # behind the rules that see what a large scale does to activations: those say more
    "frozen_random",
    "vanishing_gradient",
    "dead_units",
    "exploding_activation: growth",  # growth during training is mostly the work of steps that are too large
    "exploding_gradient",
    "vanishing_activation: squashed",  # where squashing activations lose the signal, the gradient says it better
    "lost_to_rounding",
    "unchanged_weights",
    "class_imbalance",
    "mode_collapse",
    "batchnorm_lag",
    "constant_output",
    "loss_rises",
    "overfitting",
    "too_slow",
    "wrong_output: squared classes",  # a loss that learns slowly is no mistake by itself
    "thrashing_weights",
    "duplicate_filters",
    "flat_loss",
    "clipped_display",
    "probe_changed",
    "network_changed",
)
"""Causes before consequences: the names of rules, and of places that a finding asks for by itself where it belongs elsewhere."""


@dataclass(frozen=True)
class Doc:
    """A row of the table of rules in docs/diagnosis.md.

    Attributes:
        says: what a finding of the rule says.
        condition: when it holds.
        usual: what was measured where all is well; "" where that makes no sense.
        when: which findings of the rule it is about, where there are rows for several.
    """

    says: str
    condition: str
    usual: str = ""
    when: str = ""


@dataclass(frozen=True, init=False)
class Rule:
    """One thing that can be wrong.

    Attributes:
        name: as in findings and in `ORDER`.
        check: from a run to its findings of this rule, mostly none.
        docs: its rows in docs/diagnosis.md, one or more.
        is_consequence: whether it folds under an earlier cause; else it stands for itself, whatever else was found.
        is_note: whether it has advice where nothing else is wrong; a note of another rule is worth knowing, with nothing to do.
    """

    name: str
    check: Callable[[RunView], Iterable[Finding]]
    docs: tuple[Doc, ...]
    is_consequence: bool
    is_note: bool

    def __init__(
        self, name: str, check: Callable[[RunView], Iterable[Finding]], *docs: Doc, is_consequence: bool = True, is_note: bool = False
    ) -> None:
        given = {"name": name, "check": check, "docs": docs, "is_consequence": is_consequence, "is_note": is_note}
        for field, value in given.items():
            object.__setattr__(self, field, value)


def position(place: str) -> int:
    """Where a rule or a place stands in the order of causes; what is not in it stands behind all that is."""
    return ORDER.index(place) if place in ORDER else len(ORDER)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, causes first: each module in `rules/` has one, named RULE."""
    modules = (importlib.import_module(f"{rules_package.__name__}.{found.name}") for found in pkgutil.iter_modules(rules_package.__path__))
    found = [module.RULE for module in modules if hasattr(module, "RULE")]
    return tuple(sorted(found, key=lambda rule: (position(rule.name), rule.name)))
