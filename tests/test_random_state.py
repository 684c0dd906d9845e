"""Random numbers go on as if a block had drawn none, of every generator that a program shares."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tb_featuremap_plugin.integrations.common.random_state import random_numbers_as_before

torch = pytest.importorskip("torch")


def seed():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)


def draw():
    return random.random(), np.random.rand(), float(torch.rand(()))


def test_python_numpy_and_torch():
    seed()
    expected = [draw(), draw()]
    seed()
    with random_numbers_as_before():
        draw()
    first = draw()
    with pytest.raises(ZeroDivisionError), random_numbers_as_before():
        _ = 1 / (draw()[0] * 0)
    assert [first, draw()] == expected


def test_tensorflow_and_keras():
    tf, keras = pytest.importorskip("tensorflow"), pytest.importorskip("keras")

    def begin():
        keras.utils.set_random_seed(3)
        tf.random.set_global_generator(tf.random.Generator.from_seed(7))

    def take():
        return (
            float(tf.random.uniform(())),
            float(tf.random.get_global_generator().uniform(())),
            float(keras.random.uniform(()).numpy()),
        )

    begin()
    expected = [take(), take()]
    begin()
    with random_numbers_as_before():
        take()
    first = take()
    with random_numbers_as_before():
        take()
        take()
    assert [first, take()] == expected
