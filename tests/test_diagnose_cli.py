"""`tb-featuremap diagnose`, as a script and as a tired person meet it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.cli.terminal import Terminal, write_diagnosis
from tb_featuremap_plugin.diagnosis import diagnose
from tests.support.synthetic_runs import edit, flat_losses, healthy_run
from tests.support.tiny_training import points, train

KEYS = {"rule", "severity", "target", "target_kind", "first_step", "last_step", "message", "evidence", "advice"}


@pytest.fixture(scope="module")
def well(tmp_path_factory):
    folder = tmp_path_factory.mktemp("well")
    train(folder / "run")
    return folder


@pytest.fixture(scope="module")
def ill(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ill")
    train(folder / "unscaled", data=points(scale=200.0), rate=0.05)
    return folder


def test_json_is_as_the_design_says(ill, capsys):
    assert main(["diagnose", str(ill), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["version"] == 1
    (run,) = answer["runs"]
    assert run["run"] == "unscaled/featuremaps"
    assert run["steps"][0] == 0
    headline = run["findings"][0]
    assert headline.keys() >= KEYS
    assert (headline["rule"], headline["target"], headline["target_kind"]) == ("unscaled_input", "dense0", "input")
    assert headline["evidence"]["max"] > 20
    verdicts = {verdict["variable"]: verdict for verdict in run["verdicts"]}
    assert set(verdicts) == {f"dense{at}/{part}" for at in range(3) for part in ("kernel", "bias")}
    assert verdicts["dense0/kernel"]["evidence"].keys() >= {"update_ratio"}


@pytest.mark.parametrize(
    ("which", "threshold", "status"),
    [
        ("well", None, 0),
        ("well", "warning", 0),
        ("well", "error", 0),
        ("ill", None, 0),
        ("ill", "info", 1),
        ("ill", "warning", 1),
        ("ill", "error", 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_exit_status(which, threshold, status, form, request, capsys):
    folder = request.getfixturevalue(which)
    options = ["--fail-on", threshold] if threshold else []
    assert main(["diagnose", str(folder), "--format", form, *options]) == status


def test_a_logdir_that_cannot_be_read_is_status_2(tmp_path, capsys):
    assert main(["diagnose", str(tmp_path / "missing")]) == 2
    (tmp_path / "file").write_text("no folder")
    assert main(["diagnose", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "missing" in captured.err
    assert "cannot be read" in captured.err


def test_an_empty_logdir_is_no_error_and_names_the_doctor(tmp_path, capsys):
    assert main(["diagnose", str(tmp_path), "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["runs"] == []
    assert f"tb-featuremap doctor {tmp_path}" in captured.err


def test_text_says_it_in_the_order_of_importance(ill, capsys):
    main(["diagnose", str(ill)])
    text = capsys.readouterr().out
    assert (
        text.index("Run unscaled")
        < text.index("ERROR   The input runs from")
        < text.index("Try: Subtract from each feature its mean")
        < text.index("Variables:")
    )
    assert "\x1b[" not in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_text_of_a_run_that_is_well(well, capsys):
    main(["diagnose", str(well)])
    text = capsys.readouterr().out
    assert "Nothing unusual found in 3 layers and 6 variables over" in text
    assert "healthy" not in text


def test_text_fits_a_narrow_terminal_and_marks_in_colour():
    run = edit(healthy_run(losses=flat_losses()), "layers", "conv2", dead_units=1.0)
    text = write_diagnosis(diagnose(run), Terminal(60, coloured=True))
    assert "\x1b[31mERROR   \x1b[0m" in text
    plain = write_diagnosis(diagnose(run), Terminal(60, coloured=False))
    assert [line for line in plain.splitlines() if len(line) > 60 and "[dead_units]" not in line and not line.startswith("Run")] == []
    assert "Also seen, likely because of it: flat loss" in plain


def test_it_imports_no_framework(ill):
    code = (
        "import sys; from tb_featuremap_plugin.cli.main import main; "
        f"main(['diagnose', {str(ill)!r}]); main(['doctor', {str(ill)!r}]); "
        "print([name for name in ('tensorflow', 'keras', 'torch', 'jax') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr.strip() == "[]"
