"""`compare` on runs made of numbers, the words that it uses, and `tb-featuremap compare`."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.comparing import compare
from tb_featuremap_plugin.comparing.noise import FRESH, GROWTH, QUIET, Noise, divides
from tb_featuremap_plugin.schema.network import Probe
from tests.support.known import record_of, variables_of
from tests.support.synthetic_runs import STEPS, edit, edit_layer, edit_record, healthy_run
from tests.support.tiny_training import Network, points, train


def changed(run, table, row, column, from_step, factor=1.5):
    """The run with one curve other from a step on."""
    curve = getattr(run, table).column(row, column).astype(np.float64)
    return edit(run, table, row, **{column: np.where(from_step <= STEPS, curve * factor, curve)})


def loss_changed(run, from_step):
    values = np.where(run.losses.steps >= from_step, run.losses.values * 1.1, run.losses.values).astype(np.float32)
    return dataclasses.replace(run, losses=dataclasses.replace(run.losses, values=values))


def only_steps(run, wanted):
    kept = np.isin(run.layers.steps, wanted)
    tables = {
        name: dataclasses.replace(table, steps=table.steps[kept], wall_times=table.wall_times[kept], values=table.values[kept])
        for name in ("layers", "variables", "progress")
        if (table := getattr(run, name)) is not None
    }
    return dataclasses.replace(run, **tables, losses=None)


def without_rows(run, table, rows):
    old = getattr(run, table)
    kept = [place for place, row in enumerate(old.rows) if row not in rows]
    return dataclasses.replace(
        run, **{table: dataclasses.replace(old, rows=tuple(old.rows[place] for place in kept), values=old.values[:, kept])}
    )


def test_a_run_is_the_same_as_itself():
    found = compare(healthy_run(), healthy_run())
    assert (found.same, found.kind, found.what, found.rows) == (True, "the same", None, ())
    assert "bit for bit" in found.message
    assert repr(found) == "<Comparison 'the same'>"


def test_a_variable_is_named_with_its_layer():
    run = healthy_run()
    found = compare(run, changed(run, "variables", "conv2/bias", "norm", 40))
    assert (found.step, found.layer, found.variable, found.what) == (40, "conv2", "conv2/bias", "weights")
    assert found.kind == "part at step 40"
    assert repr(found) == "<Comparison 'part at step 40', weights, layer 'conv2', variable 'conv2/bias'>"
    assert "All 7 other variables agree at this step." in found.message


def test_an_output_is_blamed_where_weights_agree():
    run = healthy_run()
    other = changed(changed(run, "layers", "fc", "rms", 10), "layers", "out", "rms", 10)
    found = compare(run, other)
    assert (found.step, found.layer, found.variable, found.what) == (10, "fc", None, "output")
    assert [row.row for row in found.rows] == ["fc", "out"]


def test_weights_of_a_layer_come_before_its_output():
    run = healthy_run()
    other = changed(changed(run, "layers", "conv2", "rms", 20), "variables", "fc/kernel", "norm", 20)
    assert (compare(run, other).what, compare(run, other).layer) == ("weights", "fc")


def test_counts_and_unknown_numbers():
    run = healthy_run()
    broken = edit(run, "variables", "fc/kernel", nan=np.where(STEPS >= 60, 3, 0))
    found = compare(run, broken)
    assert (found.step, found.layer) == (60, "fc")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["rows"][0]["difference"] is None
    assert compare(run, edit(run, "variables", "fc/kernel", mean=np.nan)).same, "what is not known is not compared"


def test_the_learning_rate_comes_first():
    run = healthy_run()
    other = changed(changed(run, "progress", "run", "learning_rate", 20), "variables", "conv1/kernel", "norm", 20)
    assert (compare(run, other).what, compare(run, other).step, compare(run, other).layer) == ("learning rate", 20, None)


def test_the_loss_is_followed_between_the_logged_steps():
    run = healthy_run()
    found = compare(run, loss_changed(run, 50))
    assert (found.step, found.what, found.layer) == (50, "loss", None)
    assert "not logged by both at this step" in found.message


def test_another_probe_leaves_outputs_out():
    run = edit_record(healthy_run(), probes=(Probe(0, "one", {}),))
    other = changed(edit_record(run, probes=(Probe(0, "two", {}),)), "layers", "conv1", "rms", 0)
    found = compare(run, other)
    assert (found.step, found.what, found.layer) == (0, "inputs", None)
    assert "No number parts." in found.message
    later = edit_record(run, probes=(Probe(0, "one", {}), Probe(60, "two", {})))
    assert compare(run, later).step == 60
    earlier = compare(run, changed(later, "variables", "fc/bias", "norm", 20))
    assert (earlier.step, earlier.variable) == (20, "fc/bias")


def test_what_runs_say_of_themselves():
    run = healthy_run()
    dtypes = {**record_of(run).variable_dtypes, "fc/kernel": "bfloat16"}
    found = compare(run, edit_record(run, variable_dtypes=dtypes))
    assert (found.what, found.layer, found.step) == ("dtype", "fc", 0)
    everywhere = compare(run, edit_record(run, variable_dtypes=dict.fromkeys(dtypes, "bfloat16")))
    assert (everywhere.what, everywhere.layer, everywhere.variable) == ("dtype", None, None)
    shapes = {**record_of(run).variable_shapes, "conv2/kernel": (5, 5, 16, 32)}
    assert (compare(run, edit_record(run, variable_shapes=shapes)).what, compare(run, run).same) == ("shape", True)


def test_an_optimizer_is_blamed_where_all_kernels_part_at_once():
    run = healthy_run()
    other = run
    for name in ("conv1", "conv2", "fc", "out"):
        other = changed(other, "variables", f"{name}/kernel", "norm", 1)
    found = compare(run, edit_record(other, optimizer="sgd"))
    assert (found.step, found.layer, found.what) == (1, None, "optimizer")
    assert "The optimizer is adam in a and sgd in b." in found.notes
    assert compare(run, edit_record(other, loss="mse")).what == "loss function"
    assert compare(run, other).what == "weights"


def test_rows_of_one_run_alone():
    run = healthy_run()
    less = without_rows(run, "layers", ["conv2"])
    assert compare(run, less).same
    assert compare(run, less).notes == ("Logged in a alone: `conv2`.",)
    smaller = changed(without_rows(run, "variables", ["fc/kernel"]), "variables", "out/kernel", "norm", 0)
    found = compare(run, smaller)
    assert (found.what, found.layer, found.step) == ("missing", "fc", 0)


def test_a_frozen_layer_is_named_after_many_steps():
    """At the next logged step all other layers differ too, as a consequence; the one that stays is the cause."""
    run = healthy_run()
    other = run
    for name in ("conv1", "conv2", "fc", "out"):
        other = changed(other, "variables", f"{name}/kernel", "norm", 80, 1.01)
    updates = variables_of(run).column("fc/kernel", "update_norm")
    other = edit(other, "variables", "fc/kernel", update_norm=np.where(STEPS >= 80, 0, np.nan_to_num(updates, nan=0.1)))
    other = edit_layer(other, "fc", trainable=False)
    found = compare(run, other)
    assert (found.step, found.layer, found.variable) == (80, "fc", "fc/kernel")
    assert "is it frozen in b?" in found.message


def test_what_cannot_be_compared():
    run = healthy_run()
    other = healthy_run(layers=None, variables=None, losses=None, progress=None)
    assert compare(run, other).kind == "not comparable: no layer and no variable is in both"
    assert compare(only_steps(run, [0, 1, 2]), only_steps(run, [10, 20])).kind == "not comparable: no step was logged by both"
    assert compare(other, other).is_refused
    assert not compare(other, other).same


def test_common_steps_alone_are_compared():
    run = healthy_run()
    found = compare(only_steps(run, [0, 5, 20, 60]), only_steps(changed(run, "variables", "fc/bias", "norm", 10), [0, 10, 20, 60]))
    assert found.step == 20
    assert "No step between 0 and 20 can be compared." in found.message
    assert found.notes == ("Logged at different steps: 4 steps in a, 4 in b; weights and outputs were compared at the 3 of both.",)


def test_the_threshold():
    noise = Noise()
    assert noise.threshold(0) == FRESH
    assert noise.threshold(0, quiet=True) == QUIET
    assert noise.threshold(0, epsilon=2**-7) == 4 * 2**-7
    noise.accept(1e-5, 4, "conv1")
    noise.seen = 4
    assert noise.threshold(5) == pytest.approx(GROWTH * 1e-5)
    assert noise.threshold(14) == pytest.approx(10 * GROWTH * 1e-5)
    assert [divides(name) for name in ("SGD", "nesterov", "adam", None)] == [False, False, True, True]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    """Four runs: two of one seed, one of another, one with other batches from step 7 on."""
    folder = tmp_path_factory.mktemp("logs")
    for name in ("one", "two"):
        train(folder / name, steps=12, every=1)
    train(folder / "three", Network(seed=3), steps=12, every=1, rate=0.3)
    inputs, targets = points()
    train(folder / "scaled", data=(np.where(np.arange(len(inputs))[:, None] == 200, 3 * inputs, inputs), targets), steps=12, every=1)
    return folder


def test_the_command_says_the_same(logdir, capsys):
    assert main(["compare", str(logdir / "one"), str(logdir / "two")]) == 0
    assert "the same" in capsys.readouterr().out


def test_the_command_names_the_first_step(logdir, capsys):
    assert main(["compare", f"{logdir}:one", str(logdir), "--run-b", "scaled", "--format", "json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["version"] == 1
    assert {"same", "kind", "message", "step", "layer", "variable", "channel", "what", "rows", "notes", "a", "b"} < answer.keys()
    assert (answer["a"], answer["b"], answer["same"], answer["what"]) == ("one", "scaled", False, "weights")
    assert answer["step"] > 0
    assert answer["rows"][0].keys() == {"step", "table", "row", "column", "channel", "a", "b", "difference"}


def test_the_command_compares_two_seeds_as_such(logdir, capsys):
    assert main(["compare", f"{logdir}:one", f"{logdir}:three"]) == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "different starts (other seeds)" in output
    assert "there is no step at which they part" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{0}/none", "{0}:one"], "cannot be read"),
        (["{0}", "{0}:one"], "holds several runs; say which with --run-a"),
        (["{0}:one", "{0}:four"], "there is no run 'four' in"),
    ],
)
def test_the_command_says_why_it_cannot(arguments, message, logdir, capsys):
    assert main(["compare", *(argument.format(logdir) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_weights_that_were_not_compared_one_by_one_are_named(tmp_path):
    """Two entries that change places change no statistic; the larger kernel has more filters than are stored."""
    random = np.random.default_rng(0)
    small, wide = (random.normal(size=shape).astype(np.float32) for shape in ((40, 30), (4, 400)))
    swapped = small.copy()
    swapped.flat[:2] = small.flat[1::-1]
    for run, kernel, most in (("a", small, None), ("again", small, None), ("b", swapped, None), ("b, no pictures", swapped, 5000)):
        with fm.Monitor(tmp_path, run_name=run, every=1, max_bytes=most) as monitor:
            monitor.log(0, weights={"small/kernel": kernel, "wide/kernel": wide})
    logs = fm.open(tmp_path)
    assert fm.compare(logs["a"], logs["b"]).variable == "small/kernel"
    for other, unseen in (("again", "`wide/kernel`"), ("b, no pictures", "`small/kernel` and `wide/kernel`")):
        found = fm.compare(logs["a"], logs[other])
        assert found.same
        assert [note.partition(": ")[0] for note in found.notes] == [f"Single weights may differ unseen in {unseen}"]


def test_names_of_runs_may_have_colons(logdir, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "runs.zip", "w") as packed:
        for name in ("one", "scaled"):
            for file in (logdir / name).rglob("*tfevents*"):
                packed.write(file, f"12:30:{name}/{file.relative_to(logdir / name).as_posix()}")
    given = [f"{tmp_path / 'runs.zip'}:12:30:{name}" for name in ("one", "scaled")]
    assert main(["compare", *given]) == 1
    assert "12:30:scaled)" in capsys.readouterr().out
    assert main(["compare", given[0], f"{logdir}:one"]) == 0
    assert main(["compare", f"{tmp_path / 'none.zip'}:a:b", given[0]]) == 2


def test_an_empty_logdir_cannot_be_compared(logdir, tmp_path, capsys):
    assert main(["compare", str(tmp_path), f"{logdir}:one"]) == 2
    assert "holds anything to compare" in capsys.readouterr().err
