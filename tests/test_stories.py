"""The five stories end as they should: each as asked with its finding, each mended one with none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tb_featuremap_plugin import diagnosis
from tb_featuremap_plugin.diagnosis import Diagnosis
from tb_featuremap_plugin.reading.events import EventSource

ALARMS = ("warning", "error")
STORIES = (
    "story0_white_maps",
    "story1_by_hand",
    "story2_frozen_weights",
    "story3_lost_signal",
    "story4_rows_and_columns",
)


@pytest.fixture(scope="module")
def committed(demo_logdir: Path) -> dict[str, Diagnosis]:
    return diagnose(demo_logdir)


def diagnose(logdir: Path) -> dict[str, Diagnosis]:
    """What is found in each run, by title."""
    return {run.title: diagnosis.diagnose(run) for run in EventSource(logdir).runs()}


def alarms(found: Diagnosis) -> list[tuple[str, str]]:
    """Rule and target of what is worse than a note, the headline first."""
    return [(finding.rule, finding.target) for finding in found.findings if finding.severity in ALARMS]


def verdicts(found: Diagnosis) -> dict[str, str]:
    return {verdict.variable: verdict.verdict for verdict in found.verdicts}


def check_white_maps(asked: Diagnosis) -> None:
    assert alarms(asked)[0][0] == "unscaled_input"
    clipped = [finding for finding in asked.findings if finding.rule == "clipped_display"]
    assert "conv1" in {finding.target for finding in clipped}


def check_by_hand(asked: Diagnosis) -> None:
    assert alarms(asked) == []
    assert "decaying" in {verdict for variable, verdict in verdicts(asked).items() if variable.endswith("kernel")}


def check_frozen_weights(asked: Diagnosis) -> None:
    assert alarms(asked) == []
    kernels = {name: verdict for name, verdict in verdicts(asked).items() if name.endswith("kernel")}
    assert len(kernels) == 8
    assert set(kernels.values()) == {"changing"}


def check_slow_weights(slow: Diagnosis) -> None:
    assert alarms(slow)[0][0] == "too_slow"


def check_lost_signal(asked: Diagnosis) -> None:
    assert alarms(asked)[0] == ("vanishing_activation", "fc7_1")
    headline = asked.findings[0]
    assert headline.first_step == 0
    assert "He" in headline.message


def check_rows_and_columns(asked: Diagnosis) -> None:
    rules = {rule for rule, _ in alarms(asked)}
    assert {"unscaled_input", "wrong_output"} <= rules | {finding.rule for finding in asked.findings}
    assert verdicts(asked)["conv/kernel"] == "unchanged"


AS_ASKED = dict(
    zip(STORIES, (check_white_maps, check_by_hand, check_frozen_weights, check_lost_signal, check_rows_and_columns), strict=True)
)


@pytest.mark.parametrize("story", STORIES)
def test_as_asked_it_is_found(committed: dict[str, Diagnosis], story: str) -> None:
    AS_ASKED[story](committed[f"{story}/asked"])


def test_weights_that_are_truly_slow_are_said_to_be(committed: dict[str, Diagnosis]) -> None:
    check_slow_weights(committed["story2_frozen_weights/slow"])


@pytest.mark.parametrize("run", ["digits", *(f"{story}/mended" for story in STORIES)])
def test_mended_nothing_is_found(committed: dict[str, Diagnosis], run: str) -> None:
    assert alarms(committed[run]) == []


def test_pictures_by_hand_would_have_wrapped(demo_logdir: Path) -> None:
    """The channels that were multiplied by 255 do reach above 1, so `astype(uint8)` started again at black."""
    run = next(run for run in EventSource(demo_logdir).runs() if run.title == "story1_by_hand/asked")
    assert run.layers is not None
    assert run.layers.column("pool1", "above_one")[-1] > 0.05


@pytest.mark.tensorflow
def test_smallest_story_ends_the_same_when_it_is_trained_here(tmp_path: Path) -> None:
    train("story4_rows_and_columns", "asked", "mended", logdir=tmp_path)
    found = diagnose(tmp_path)
    check_rows_and_columns(found["asked"])
    assert alarms(found["mended"]) == []


@pytest.mark.exhaustive
@pytest.mark.tensorflow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("story", STORIES[:4])
def test_every_story_ends_the_same_when_it_is_trained_here(story: str, tmp_path: Path) -> None:
    train(story, "asked", "mended", logdir=tmp_path)
    found = diagnose(tmp_path)
    AS_ASKED[story](found["asked"])
    assert alarms(found["mended"]) == []


def train(story: str, *variants: str, logdir: Path) -> None:
    """Trains as the program in `examples/stories` does, in a process whose TensorFlow no other test has touched."""
    pytest.importorskip("keras")
    pytest.importorskip("sklearn")
    for variant in variants:
        program = f"from tb_featuremap_plugin.demo.stories.{story} import train; train({str(logdir / variant)!r}, {variant!r})"
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
