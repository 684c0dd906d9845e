"""Numbers of kernels, against plain NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tb_featuremap_plugin.images import kernels

STATISTICS = ("min", "max", "mean", "std", "norm", "nan", "pos_inf", "neg_inf")


def memory_orders(kernel):
    return [kernel, np.moveaxis(np.ascontiguousarray(np.moveaxis(kernel, (0, 1), (-1, -2))), (-1, -2), (0, 1))]


@pytest.mark.parametrize("shape", [(5, 3, 3, 3), (300, 70, 3, 3), (4, 1), (2, 3, 4), (2, 2, 3, 3, 3)])
def test_filter_statistics(shape):
    values = np.random.default_rng(0).normal(1, 2, shape).astype(np.float32)
    for kernel in memory_orders(values):
        stats = dict(zip(STATISTICS, kernels.filter_stats(kernel), strict=True))
        rows = values.reshape(len(values), -1).astype(np.float64)
        expected = {"min": rows.min(1), "max": rows.max(1), "mean": rows.mean(1), "std": rows.std(1), "norm": np.linalg.norm(rows, axis=1)}
        for name, truth in expected.items():
            np.testing.assert_allclose(stats[name], truth, rtol=1e-6, err_msg=name)
        assert not stats["nan"].any()


def test_filter_statistics_leave_out_what_is_not_finite():
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    kernel[0, 0, 0] = [np.nan, np.inf]
    kernel[1] = -np.inf
    stats = dict(zip(STATISTICS, kernels.filter_stats(kernel), strict=True))
    np.testing.assert_array_equal([stats["nan"], stats["pos_inf"], stats["neg_inf"]], [[1, 0], [1, 0], [0, 12]])
    assert stats["mean"][0] == pytest.approx(np.arange(2, 12).mean())
    assert stats["norm"][0] == pytest.approx(np.linalg.norm(np.arange(2, 12)))
    assert all(np.isnan(stats[name][1]) for name in ("min", "max", "mean", "std", "norm"))


@pytest.mark.parametrize("shape", [(7, 5, 3, 3), (300, 400, 2), (3, 4)])
def test_norms_and_differences(shape):
    rng = np.random.default_rng(1)
    values, others = rng.normal(0, 1, shape).astype(np.float32), rng.normal(0, 1, shape).astype(np.float32)
    for kernel, other in zip(memory_orders(values), memory_orders(others), strict=True):
        truth = np.sqrt((values.astype(np.float64) ** 2).reshape(*shape[:2], -1).sum(-1))
        np.testing.assert_allclose(np.sqrt(kernels.squared_norms(kernel)), truth, rtol=1e-6)
        truth = np.sqrt(((values.astype(np.float64) - others) ** 2).reshape(*shape[:2], -1).sum(-1))
        np.testing.assert_allclose(np.sqrt(kernels.squared_norms(kernel, minus=other)), truth, rtol=1e-6)


def test_a_small_difference_survives():
    kernel = np.random.default_rng(2).normal(0, 1, (6, 5, 3, 3)).astype(np.float32)
    moved = kernel * np.float32(1 + 1e-4)
    truth = np.sqrt(((moved.astype(np.float64) - kernel) ** 2).sum((2, 3)))
    np.testing.assert_allclose(np.sqrt(kernels.squared_norms(moved, minus=kernel)), truth, rtol=1e-6)


@pytest.mark.parametrize(("shape", "blocks"), [((512, 512), (1, 1)), ((513, 100), (2, 1)), ((1000, 4096), (2, 8))])
def test_norms_are_reduced_above_512_a_side(shape, blocks):
    assert kernels.norm_blocks(shape) == blocks


def test_reduced_norms_are_root_mean_squares_of_blocks():
    picture = np.random.default_rng(3).random((7, 10)).astype(np.float32)
    reduced = kernels.reduced_norms(picture.astype(np.float64) ** 2, (3, 4))
    assert reduced.shape == (3, 3)
    for row in range(3):
        for column in range(3):
            block = picture[row * 3 : row * 3 + 3, column * 4 : column * 4 + 4].astype(np.float64)
            assert reduced[row, column] == pytest.approx(np.sqrt((block**2).mean()), rel=1e-6)


def test_the_strongest_input_of_each_filter():
    picture = np.array([[1, 3, 2], [np.nan, 0.5, 0.1], [np.nan, np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(kernels.strongest_inputs(picture), [1, 1, 0])


def test_only_kernels_above_a_megabyte_are_large():
    assert not kernels.is_large((250, 1000))
    assert kernels.is_large((250, 1001))
