"""Small healthy trainings: combinations that cover all pairs, and what the first advice of a diagnosis does to a faulty program."""

from __future__ import annotations

import itertools

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
from benchmarks.programs.grid import ACTIVATIONS, MOST_ALARMED, NETWORKS, NORMS, OPTIMIZERS, SEEDS, alarms, rows, train, trainings
from benchmarks.programs.recipes import RECIPES
from benchmarks.programs.recipes import train as train_recipe
from benchmarks.programs.remedies import applied, headline

FACTORS = (OPTIMIZERS, NORMS, ACTIVATIONS, NETWORKS)


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(range(4), 2)))
def test_every_pair_of_values_is_trained(one, two):
    assert {(row[one], row[two]) for row in rows()} == set(itertools.product(FACTORS[one], FACTORS[two]))
    assert len(trainings()) == SEEDS * len(rows()) == 120


def test_a_healthy_training_is_never_alarmed(tmp_path):
    training = next(one for one in trainings() if (one.network, one.optimizer) == ("mlp", "Adam"))
    train(training, tmp_path)
    assert all(found == [] for found in alarms(tmp_path).values())


@pytest.mark.parametrize("name", ["step forgotten", "a rate of 20, SGD"])
def test_the_first_advice_mends(tmp_path, name):
    recipe = next(one for one in RECIPES if one.name == name)
    before = train_recipe(recipe, tmp_path)
    finding = headline(tmp_path)
    assert finding is not None
    changed = applied(recipe, finding.advice[0])
    assert changed is not None
    assert train_recipe(changed, None) - before > 0.5 * (train_recipe(recipe.mended(), None) - before) > 0.05


@pytest.mark.exhaustive
def test_of_120_healthy_trainings_at_most_one_is_alarmed_and_none_with_an_error(tmp_path):
    alarmed = set()
    for training in trainings():
        train(training, tmp_path / training.name)
        findings = [finding for found in alarms(tmp_path / training.name).values() for finding in found]
        assert all(finding.severity != "error" for finding in findings), (training, findings)
        alarmed |= {training.name} if findings else set()
    assert len(alarmed) <= MOST_ALARMED, alarmed
