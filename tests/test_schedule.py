"""Which steps are due, and when weights are read for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_featuremap_plugin.monitor.schedule import Plan, Schedule


def due_steps(every, steps):
    plan = Plan(Schedule(every).wants)
    due = []
    for step in steps:
        if plan.due(step):
            due.append(step)
        plan.advance(step)
    return due


def test_a_number_means_early_steps_and_then_every_nth():
    assert due_steps(100, range(301)) == [0, 1, 2, 5, 10, 20, 50, 100, 200, 300]
    assert due_steps(10, range(31)) == [0, 1, 2, 5, 10, 20, 30]
    assert due_steps(1, range(4)) == [0, 1, 2, 3]


def test_a_callable_decides_alone():
    assert due_steps(lambda step: step in (3, 7), range(10)) == [3, 7]


@pytest.mark.parametrize("every", [0, -3])
def test_no_step_below_one(every):
    with pytest.raises(ValueError, match=f"every is {every}"):
        Schedule(every)


@pytest.mark.parametrize("every", [True, 1.5, "100", None])
def test_nothing_but_numbers_and_callables(every):
    with pytest.raises(TypeError, match="every is"):
        Schedule(every)


@given(st.sets(st.integers(0, 60), max_size=12))
def test_weights_are_read_at_due_steps_and_two_before(wanted):
    plan = Plan(lambda step: step in wanted)
    read = set()
    for step in range(61):
        if plan.reads_weights(step):
            read.add(step)
        plan.advance(step)
    assert read == {step - back for step in wanted for back in (0, 1, 2) if step >= back}


def test_a_schedule_is_asked_once_a_step_and_at_most_two_ahead():
    asked: list[int] = []

    def never(step: int) -> bool:
        asked.append(step)
        return False

    plan = Plan(never)
    for step in range(20):
        plan.due(step)
        plan.reads_weights(step)
        plan.advance(step)
        assert max(asked) <= step + 2
    assert asked == list(range(22))


def test_a_promise_is_kept():
    answers = iter([False, True, True])
    plan = Plan(lambda step: next(answers, False))
    assert plan.reads_weights(0)
    plan.advance(0)
    assert plan.due(1)


@given(st.integers(2, 40), st.integers(1, 50))
def test_a_step_that_was_passed_over_counts_at_the_next_call(stride, every):
    seen = list(range(0, 400, stride))
    wanted = {step for step in range(400) if Schedule(every).wants(step)}
    expected = [step for before, step in zip([-1, *seen], seen, strict=False) if wanted & set(range(before + 1, step + 1))]
    assert due_steps(every, seen) == expected


def test_the_words_of_a_schedule():
    def at_night(step):
        return False

    assert [Schedule(every).words for every in (1, 250, at_night)] == ["every step", "every 250 steps", "chosen by at_night"]
