"""What a rule is, and how the rules of this package are found: every module in `rules/` has one, named RULE."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from tb_featuremap_plugin.diagnosis import rules as rules_package
from tb_featuremap_plugin.diagnosis.findings import Finding
from tb_featuremap_plugin.diagnosis.run_view import RunView


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong.

    Attributes:
        name: as in findings.
        rank: its place among causes: what lies earlier in the chain from cause to consequence has the lower rank.
        check: from a run to its findings of this rule, mostly none.
        is_consequence: whether it folds under an earlier cause; else it stands for itself, whatever else was found.
    """

    name: str
    rank: int
    check: Callable[[RunView], Iterable[Finding]]
    is_consequence: bool = True


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, causes first."""
    modules = (importlib.import_module(f"{rules_package.__name__}.{found.name}") for found in pkgutil.iter_modules(rules_package.__path__))
    found = [module.RULE for module in modules if hasattr(module, "RULE")]
    return tuple(sorted(found, key=lambda rule: (rule.rank, rule.name)))
