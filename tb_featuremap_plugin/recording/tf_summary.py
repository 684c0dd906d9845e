"""The default tf.summary writer, if TensorFlow is loaded: without importing it there can be none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary

Build = Callable[..., Summary]


def write(build: Build, tensors: Sequence[object | None], step: object | None, what: str) -> object:
    """Builds a Summary from tensors and writes it as one event.

    Args:
        build: takes `tensors` with their values at hand; called only if something is to be written.
        tensors: None stays None; inside a tf.function they may be symbolic.
        step: None is the default step.
        what: names the operation in a graph.

    Returns:
        True if written; False if there is no default writer or recording is off. A tensor of that inside a tf.function.

    Raises:
        ValueError: there is a writer, but no step.
        RuntimeError: inside a function with `jit_compile=True`.
    """
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return False
    step = current_step(step)
    if step is None:
        return _without_step(tf)
    if not tf.executing_eagerly():
        return _write_in_graph(tf, build, tensors, step, what)
    if not bool(tf.summary.should_record_summaries()):
        return False
    return bool(tf.summary.experimental.write_raw_pb(build(*tensors).SerializeToString(), step=step))


def current_step(step: object | None) -> object | None:
    """The step, or where it is None the default one of tf.summary, if there is one."""
    tf = sys.modules.get("tensorflow")
    return tf.summary.experimental.get_step() if step is None and tf is not None else step


def _without_step(tf: Any) -> object:
    """False where there is no writer, else the ValueError: TensorFlow looks for the writer first, and tells it in no other public way."""
    try:
        written = tf.summary.experimental.write_raw_pb(b"")
    except ValueError:
        raise ValueError(
            "step is None, and there is no default step: pass step=... or call tf.summary.experimental.set_step(...)"
        ) from None
    return bool(written) if tf.executing_eagerly() else written


def _write_in_graph(tf: Any, build: Build, tensors: Sequence[object | None], step: object, what: str) -> object:
    if _is_compiled(tf.compat.v1.get_default_graph()):
        raise RuntimeError(
            f"summary.{what} cannot write from a function with jit_compile=True, which runs no Python: "
            "call it outside of that function, or log from a callback"
        )
    given = [index for index, tensor in enumerate(tensors) if tensor is not None]

    def run(*values: object) -> bytes:
        filled: list[object | None] = [None] * len(tensors)
        for index, value in zip(given, values, strict=True):
            filled[index] = value
        serialized: bytes = build(*filled).SerializeToString()
        return serialized

    def record() -> object:
        name = f"tb_featuremap_plugin_{what}_needs_jit_compile_False"
        serialized = tf.numpy_function(run, [tensors[index] for index in given], tf.string, name=name)
        return tf.summary.experimental.write_raw_pb(serialized, step=step)

    return tf.cond(tf.summary.should_record_summaries(), record, lambda: tf.constant(False))


def _is_compiled(graph: Any) -> bool:
    """Whether a graph, or one around it, is being traced for XLA."""
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False
