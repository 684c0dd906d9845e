"""Trees of arrays become flat names."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tb_featuremap_plugin.monitor.argument_forms import resolved
from tb_featuremap_plugin.monitor.step_arguments import flatten

Pair = namedtuple("Pair", "left right")
A, B, C = (np.full(2, value) for value in range(3))


@dataclass
class Module:
    weight: Any
    bias: Any = None
    name: str = "module"
    inner: list[Any] = field(default_factory=list)

    def __call__(self, x):
        raise AssertionError("a module is no callable that returns arrays")


@pytest.mark.parametrize(
    ("tree", "names"),
    [
        ({"conv/kernel": A}, ["conv/kernel"]),
        ({"b": {"kernel": A, "bias": B}, "a": C}, ["b/kernel", "b/bias", "a"]),
        ([A, (B, {"x": C})], ["0", "1/0", "1/1/x"]),
        (Pair(A, B), ["left", "right"]),
        (Module(A, B, inner=[Module(C)]), ["weight", "bias", "inner/0/weight"]),
        ({"none": None, "number": 3, "function": len, "array": A}, ["array"]),
        (A, ["value"]),
        (None, []),
        ({}, []),
        ({1: A, ("x", 2): B}, ["1", "('x', 2)"]),
    ],
)
def test_names(tree, names):
    assert list(flatten(tree)) == names


def test_arrays_are_passed_through_as_they_are():
    assert flatten({"x": {"y": A}})["x/y"] is A


def test_callables_are_called_and_modules_are_not():
    assert resolved(lambda: {"x": A}, "weights") == {"x": A}
    module = Module(A)
    assert resolved(module, "weights") is module


def test_jax_pytrees_of_any_kind():
    jax = pytest.importorskip("jax")

    @jax.tree_util.register_pytree_with_keys_class
    class Node:
        def __init__(self, child):
            self.child = child

        def tree_flatten_with_keys(self):
            return [(jax.tree_util.GetAttrKey("child"), self.child)], None

        @classmethod
        def tree_unflatten(cls, aux, children):
            return cls(*children)

    assert list(flatten({"a": Node({"k": A, "l": [B]})})) == ["a/child/k", "a/child/l/0"]


def test_flax_and_equinox_models():
    jax = pytest.importorskip("jax")
    equinox = pytest.importorskip("equinox")
    nnx = pytest.importorskip("flax.nnx")
    linear = equinox.nn.Linear(2, 3, key=jax.random.key(0))
    assert {name: leaf.shape for name, leaf in flatten(resolved(linear, "weights")).items()} == {"weight": (3, 2), "bias": (3,)}
    model = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
    assert {name: leaf.shape for name, leaf in flatten(nnx.state(model, nnx.Param)).items()} == {"kernel": (2, 3), "bias": (3,)}
