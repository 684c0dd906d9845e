"""Raw series to runs: order, resumed runs, versions, limits, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_featuremap_plugin.format import run_record, values
from tb_featuremap_plugin.reading import assemble, run_names
from tb_featuremap_plugin.reading.raw_series import Problems, RawRun, RawSeries, as_written
from tb_featuremap_plugin.reading.run import Problem
from tb_featuremap_plugin.schema import limits, tags
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS
from tb_featuremap_plugin.schema.network import Layer, RunRecord
from tests.support.known import layers_of, losses_of, variables_of

CONTENT = values.blob_metadata().plugin_data.content


def blobs(*steps, content=CONTENT, wall_times=None):
    return RawSeries(content, list(steps), list(wall_times or [float(index) for index in range(len(steps))]))


def tensors(*points, content=CONTENT, start=0.0):
    """Points (step, array)."""
    steps = [step for step, _ in points]
    return RawSeries(content, steps, [start + index for index in range(len(steps))], [np.asarray(array, np.float32) for _, array in points])


def run_of(record=None, blob_series=None, tensor_series=None):
    return RawRun("run", blob_series or {}, tensor_series or {}, run_record.encode(record) if record else None)


@given(st.lists(st.tuples(st.integers(-5, 20), st.integers())))
def test_a_later_point_with_a_smaller_or_equal_step_wins(points):
    """Against the definition, point by point."""
    steps = [step for step, _ in points]
    expected = [index for index, step in enumerate(steps) if not any(later <= step for later in steps[index + 1 :])]
    assert assemble.surviving(RawSeries(b"", steps, []), None) == expected


def test_a_start_drops_what_was_written_before_at_its_step_or_later():
    series = blobs(0, 5, 10, 15, wall_times=[1, 2, 3, 9])
    starts = blobs(0, 10, wall_times=[0, 5])
    assert assemble.surviving(series, starts) == [0, 1, 3]
    assert assemble.surviving(series, None) == [0, 1, 2, 3]


def test_a_start_after_which_the_clock_went_back_is_not_trusted():
    series = blobs(0, 5, 10, wall_times=[101, 1, 2])
    assert assemble.surviving(series, blobs(0, 5, wall_times=[100, 0])) == [0, 1, 2]


def test_wall_times_tell_the_order():
    assert as_written([3.0, 1.0, 2.0, 1.0]) == [1, 3, 2, 0]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("asked/featuremaps", "asked"),
        ("a/b/featuremaps", "a/b"),
        ("a\\featuremaps", "a"),
        ("featuremaps", "."),
        (".", "."),
        ("one/.", "one"),
        ("train", "train"),
        ("featuremaps/train", "featuremaps/train"),
        ("myfeaturemaps", "myfeaturemaps"),
    ],
)
def test_titles(name, title):
    assert run_names.title(name) == title


@given(st.lists(st.text(max_size=30), max_size=10))
def test_natural_sort_orders_any_names(names):
    assert sorted(sorted(names, key=run_names.natural_key)) == sorted(names)


def test_natural_sort():
    expected = ["1", "2x", "Conv1", "conv", "conv1", "conv1/2", "conv2", "conv10", "conv" + "9" * 400, "conv\u00b2", "\u0665"]
    shuffled = expected[5:] + expected[:5]
    assert sorted(shuffled, key=run_names.natural_key) == expected


def test_packed_and_single_rows_become_one_table():
    record = RunRecord(layer_rows=("conv1", "conv2"))
    run = assemble.run(
        run_of(
            record,
            tensor_series={
                "featuremaps/layers": tensors((0, [[1, 2], [3, 4]]), (2, [[5, 6], [7, 8]])),
                "featuremaps/layers/late": tensors((1, [[9, 9, 9]])),
            },
        )
    )
    table = layers_of(run)
    assert table.rows == ("conv1", "conv2", "late")
    assert table.steps.tolist() == [0, 1, 2]
    assert table.columns == LAYER_COLUMNS
    np.testing.assert_array_equal(table.column("conv2", "ordinal"), [3, np.nan, 7])
    np.testing.assert_array_equal(table.column("late", "units"), [np.nan, 9, np.nan])
    np.testing.assert_array_equal(table.column("late", "nothing"), [np.nan] * 3)


def test_a_single_row_leaves_the_packed_numbers_that_it_has_none_for():
    record = RunRecord(layer_rows=("a", "b"), layer_columns=LAYER_COLUMNS[:2])
    packed, single = tensors((3, [[1, 2], [3, 4]])), tensors((3, [[np.nan, 9]]), start=1.0)
    run = assemble.run(run_of(record, tensor_series={"featuremaps/layers": packed, "featuremaps/layers/b": single}))
    assert layers_of(run).values[0, :, :2].tolist() == [[1, 2], [3, 9]]


def test_columns_are_matched_by_the_names_in_the_run_record():
    record = RunRecord(layer_rows=("conv1",), layer_columns=("rms", "from_the_future", "mean"))
    run = assemble.run(run_of(record, tensor_series={"featuremaps/layers": tensors((0, [[1, 2, 3]]))}))
    assert layers_of(run).columns == (*LAYER_COLUMNS, "from_the_future")
    assert [layers_of(run).column("conv1", name)[0] for name in ("rms", "from_the_future", "mean")] == [1, 2, 3]
    assert np.isnan(layers_of(run).column("conv1", "std")[0])


def test_rows_that_came_later_are_not_known_before():
    record = RunRecord(variable_rows=("a", "b"))
    run = assemble.run(run_of(record, tensor_series={"featuremaps/variables": tensors((0, [[1]]), (1, [[2], [3]]))}))
    np.testing.assert_array_equal(variables_of(run).column("b", "ordinal"), [np.nan, 3])


def test_tensors_that_do_not_fit_are_problems():
    record = RunRecord(layer_rows=("a",))
    odd = RawSeries(
        CONTENT, [0, 1, 2, 3], [0.0] * 4, [np.ones((1, 2), np.float64), np.ones(3, np.float32), np.ones((2, 2), np.float32), np.array("x")]
    )
    run = assemble.run(run_of(record, tensor_series={"featuremaps/layers": odd}))
    assert run.layers is None
    assert len(run.problems) == 4


def test_a_packed_table_without_names_is_a_problem():
    run = assemble.run(run_of(tensor_series={"featuremaps/layers": tensors((0, [[1]]))}))
    assert run.layers is None
    assert [problem.tag for problem in run.problems] == ["featuremaps/layers"]


def test_a_damaged_run_record_is_a_problem():
    run = assemble.run(RawRun("run", record=b"nonsense"))
    assert run.record is None
    assert [problem.tag for problem in run.problems] == [tags.RUN_TAG]


@pytest.mark.parametrize(
    ("content", "word"), [(b'{"version":2}', "version 2"), (b"", "no version"), (b"{", "no version"), (b'{"version":0}', "no version")]
)
def test_series_of_a_later_version_are_left_out_with_one_problem(content, word):
    raw = run_of(blob_series={"featuremaps/maps/new": blobs(0, 1, content=content), "featuremaps/maps/old": blobs(0)})
    run = assemble.run(raw)
    assert [series.name for series in run.pictures] == ["old"]
    (problem,) = run.problems
    assert problem.tag == "featuremaps/maps/new"
    assert word in problem.message
    assert assemble.standing_records(blobs(0, content=content), None) == []


def test_tags_that_are_none_of_ours_are_problems():
    raw = run_of(blob_series={"featuremaps/nothing/x": blobs(0), "conv1": blobs(0), "featuremaps/maps": blobs(0)})
    run = assemble.run(raw)
    assert run.pictures == []
    assert len(run.problems) == 3


def test_pictures_are_in_the_order_of_the_network():
    record = RunRecord(layers=(Layer("z", weights=("z/kernel",)), Layer("a", weights=("a/kernel",))))
    tags = ["inputs/x", "filters/a/kernel", "filters/z/kernel", "maps/unknown10", "maps/unknown2", "maps/a", "maps/z"]
    run = assemble.run(run_of(record, blob_series={f"featuremaps/{tag}": blobs(0) for tag in tags}))
    assert [f"{series.kind}/{series.name}" for series in run.pictures] == [
        "maps/z",
        "maps/a",
        "maps/unknown2",
        "maps/unknown10",
        "filters/z/kernel",
        "filters/a/kernel",
        "inputs/x",
    ]


def test_the_first_copy_counts_where_the_series_lost_it():
    series = {"featuremaps/maps/a": blobs(5, 9, wall_times=[50, 90]), "featuremaps/first/maps/a": blobs(0, 5, wall_times=[1, 2])}
    for order in (list(series), list(reversed(series))):
        (picture,) = assemble.run(run_of(blob_series={tag: series[tag] for tag in order})).pictures
        assert picture.steps.tolist() == [0, 5, 9]
        assert picture.wall_times.tolist() == [1, 50, 90]


def test_losses_of_records_that_overlap():
    series = tensors((2, [[2, 10], [1, 11], [0, 12]]), (4, [[2, 22], [1, np.nan], [0, np.inf]]))
    points = losses_of(assemble.run(run_of(tensor_series={"featuremaps/losses": series})))
    assert points.steps.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(points.values, [10, 11, 22, np.nan, np.inf])


def test_losses_that_are_none_are_problems():
    series = tensors((0, [[1, 2, 3]]), (1, [[np.nan, 1]]), (2, np.empty((0, 2))))
    run = assemble.run(run_of(tensor_series={"featuremaps/losses": series}))
    assert losses_of(run).steps.tolist() == []
    assert len(run.problems) == 2


def test_outlines_leave_unread_series_out():
    record = RunRecord(layer_rows=("a", "b"), variable_rows=("a/kernel",))
    raw = run_of(
        record,
        {"featuremaps/maps/a": blobs(0, 7)},
        {
            "featuremaps/layers": RawSeries(CONTENT, (), ()),
            "featuremaps/layers/single": tensors((3, [[1]])),
            "featuremaps/progress": tensors((0, [[1]]), (5, [[400]])),
        },
    )
    outline = assemble.outline(raw)
    assert outline.steps.tolist() == [0, 3, 5, 7]
    assert outline.logged_steps == 400
    assert outline.layer_rows == ("a", "b", "single")
    assert outline.variable_rows == ()


def test_problems_are_bounded_and_told_once():
    problems = Problems("run", [Problem("run", "known", "x")])
    for index in range(2 * limits.MAX_PROBLEMS):
        problems.add("tag", f"message {index}")
        problems.add("tag", "message 0")
    assert len(problems.all()) == limits.MAX_PROBLEMS
    assert problems.all()[0].tag == "known"


def test_a_series_too_large_to_hold_is_thinned_to_its_last_step(monkeypatch):
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_SERIES_CELLS", 10 * len(LAYER_COLUMNS))
    series = tensors(*((step, np.full((1, 30), step)) for step in range(95)))
    run = assemble.run(run_of(RunRecord(layer_rows=("a",)), tensor_series={"featuremaps/layers": series}))
    assert len(layers_of(run).steps) <= 10
    assert layers_of(run).steps[-1] == 94
    assert layers_of(run).column("a", "ordinal").tolist() == layers_of(run).steps.tolist()
    assert len(run.problems) == 1


def test_siblings_of_a_monitored_run_are_its_parent_and_the_folders_beside_it():
    scalars = {name: ["loss"] for name in ("a", "a/featuremaps", "a/train", "a/train/deep", "b", "b/train", ".")} | {"a/empty": []}

    def shown_with(name):
        return run_names.sibling_scalars(run_names.Siblings(scalars).of(name), scalars.__getitem__)

    assert list(shown_with("a/featuremaps")) == ["a", "a/featuremaps", "a/train"]
    assert list(shown_with("b")) == ["b", "b/train"]
    assert list(shown_with("featuremaps")) == [".", "a", "b"]
