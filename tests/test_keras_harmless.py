"""Trainings with the Keras callback are those without it, and what is said of them is true, on each backend."""

from __future__ import annotations

import pytest

from tests.support.keras_processes import run_keras_tests

pytestmark = pytest.mark.timeout(2500)
BACKENDS = ("tensorflow", "jax", "torch")
FEW = "ragged or accumulate or last_update"


@pytest.mark.parametrize(("backend", "selection"), [("tensorflow", ""), ("torch", ""), ("jax", "dropouts or global_values")])
def test_nothing_of_some_trainings_changes(backend, selection):
    run_keras_tests("keras_harmless_cases.py", backend, selection)


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_of_a_zoo_of_trainings_changes(backend):
    run_keras_tests("keras_harmless_cases.py", backend, KERAS_ZOO="all")


@pytest.mark.parametrize(("backend", "selection"), [("tensorflow", ""), ("jax", FEW)])
def test_what_is_said_of_a_training_is_true(backend, selection):
    run_keras_tests("keras_training_cases.py", backend, selection)


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_what_is_said_of_a_training_is_true_everywhere(backend):
    run_keras_tests("keras_training_cases.py", backend)
