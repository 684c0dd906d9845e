"""Logging as with tf.summary: one call, one event, to the default tf.summary writer; and the `_pb` twins, which build the Summary alone.

Nothing here imports TensorFlow: where it is not loaded there is no default writer, and nothing to write to.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin.arrays import tensors
from tb_featuremap_plugin.format import values
from tb_featuremap_plugin.images.options import FilterKeywords, FilterOptions, MapKeywords, MapOptions
from tb_featuremap_plugin.recording import tf_summary
from tb_featuremap_plugin.recording.keywords import options_of, takes
from tb_featuremap_plugin.recording.requests import FeatureMapsRequest, FiltersRequest, WeightChangeRequest, WeightKeywords, WeightOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["feature_maps", "feature_maps_pb", "filters", "filters_pb", "weight_change", "weight_change_pb"]


@takes(MapOptions)
def feature_maps(
    name: str,
    data: object,
    step: object | None = None,
    *,
    inputs: object | None = None,
    **options: Unpack[MapKeywords],
) -> object:
    """Logs what a layer puts out to the default tf.summary writer, eagerly or inside a tf.function.

    Args:
        name: of the layer.
        data, inputs, layout, activation, max_images, max_channels, precision, description: as of `feature_maps_pb`.
        step: default is that of `tf.summary.experimental.set_step`.

    Returns:
        True if written; False if there is no default writer, or recording is off. Inside a tf.function a tensor of that.

    Raises:
        TypeError: `data` or `inputs` is no array of real numbers.
        ValueError: there is no step, or an argument is not allowed.
        RuntimeError: inside a function with `jit_compile=True`, which cannot write summaries.
    """
    checked = options_of(MapOptions, options, "feature_maps")

    def build(data: object, inputs: object | None) -> Summary:
        return values.summary(FeatureMapsRequest.check(name, data, inputs, checked, tensors.to_numpy).build())

    return tf_summary.write(build, (data, inputs), step, "feature_maps")


@takes(FilterOptions)
def filters(
    name: str,
    kernel: object,
    step: object | None = None,
    *,
    bias: object | None = None,
    **options: Unpack[FilterKeywords],
) -> object:
    """Logs what a layer's filters have learnt to the default tf.summary writer, eagerly or inside a tf.function.

    Args:
        name: of the variable.
        kernel, layout, layer, bias, max_filters, description: as of `filters_pb`.
        step: default is that of `tf.summary.experimental.set_step`.

    Returns:
        As `feature_maps`.

    Raises:
        TypeError, ValueError, RuntimeError: as `feature_maps`.
    """
    checked = options_of(FilterOptions, options, "filters")

    def build(kernel: object, bias: object | None) -> Summary:
        return values.summary(FiltersRequest.check(name, kernel, bias, checked, tensors.to_numpy).build())

    return tf_summary.write(build, (kernel, bias), step, "filters")


@takes(WeightOptions)
def weight_change(
    name: str,
    value: object,
    previous: object,
    step: object | None = None,
    *,
    previous_step: object | None = None,
    initial: object | None = None,
    previous_update: object | None = None,
    gradient: object | None = None,
    **options: Unpack[WeightKeywords],
) -> object:
    """Logs how a variable changes to the default tf.summary writer, eagerly or inside a tf.function.

    Args:
        name: of the variable.
        value, previous, initial, previous_update, gradient, layer, trainable, description: as of `weight_change_pb`.
        step: default is that of `tf.summary.experimental.set_step`.
        previous_step: the step of `previous`; default is the step before.

    Returns:
        As `feature_maps`.

    Raises:
        TypeError, ValueError, RuntimeError: as `feature_maps`.
    """
    checked = options_of(WeightOptions, options, "weight_change")
    step = tf_summary.current_step(step)
    gap = _gap_between(step, previous_step)

    def build(value: object, previous: object, initial: object, previous_update: object, gradient: object, gap: object) -> Summary:
        others = {"previous": previous, "initial": initial, "previous_update": previous_update, "gradient": gradient}
        steps = operator.index(tensors.to_numpy(gap, "previous_step").item())
        call = WeightChangeRequest.check(name, value, others, steps, checked, tensors.to_numpy)
        return values.summary(call.build())

    return tf_summary.write(build, (value, previous, initial, previous_update, gradient, gap), step, "weight_change")


def _gap_between(step: object | None, previous_step: object | None) -> object:
    """Steps from one to the other, a tensor if one of them is; 1 where one is not said."""
    if previous_step is None or step is None:
        return 1
    if isinstance(previous_step, (str, bytes, float)):
        raise TypeError(f"previous_step is a {type(previous_step).__name__}; allowed are whole numbers")
    return step - previous_step  # type: ignore[operator]  # numbers or tensors


@takes(MapOptions)
def feature_maps_pb(
    name: str,
    data: object,
    *,
    inputs: object | None = None,
    **options: Unpack[MapKeywords],
) -> Summary:
    """What a layer puts out, as a Summary: its picture, its row of statistics and, if given, the picture of its inputs.

    Args:
        name: of the layer.
        data: [samples, ...] in `layout`, any framework's tensor of any numeric dtype.
        inputs: what the model was given, for the same samples.
        layout: one of NHWC, NCHW, NWC, NCW, NDHWC, NCDHW, NC; a two-dimensional array is a dense layer's.
        activation: the layer's, such as "relu"; None if unknown.
        max_images: samples to store, the first ones; statistics cover all.
        max_channels: channels to store, the first ones; statistics cover all.
        precision: "uint8" (with an exact range a channel), "float16" or "float32".
        description: Markdown.

    Raises:
        TypeError: `data` or `inputs` is no array of real numbers.
        ValueError: an argument is not allowed; the message says what is.
    """
    checked = options_of(MapOptions, options, "feature_maps_pb")
    return values.summary(FeatureMapsRequest.check(name, data, inputs, checked, tensors.to_numpy).build())


@takes(FilterOptions)
def filters_pb(
    name: str,
    kernel: object,
    *,
    bias: object | None = None,
    **options: Unpack[FilterKeywords],
) -> Summary:
    """What a layer's filters have learnt, as a Summary.

    Args:
        name: of the variable.
        kernel: in `layout`.
        layout: the letters O and I (or I and M, a depthwise multiplier) with W, HW or DHW: HWIO (Keras), OIHW (torch), HWOI (Keras,
            transposed), IOHW (torch, transposed), HWIM (Keras, depthwise), IO and OI (dense).
        layer: the layer that it belongs to.
        bias: [filters].
        max_filters: filters to store, the first ones.
        description: Markdown.

    Raises:
        TypeError: `kernel` or `bias` is no array of real numbers.
        ValueError: an argument is not allowed; the message says what is.
    """
    checked = options_of(FilterOptions, options, "filters_pb")
    return values.summary(FiltersRequest.check(name, kernel, bias, checked, tensors.to_numpy).build())


@takes(WeightOptions)
def weight_change_pb(
    name: str,
    value: object,
    previous: object,
    *,
    gap: int = 1,
    initial: object | None = None,
    previous_update: object | None = None,
    gradient: object | None = None,
    **options: Unpack[WeightKeywords],
) -> Summary:
    """How a variable changes, as a Summary of one row of statistics.

    Args:
        name: of the variable.
        value: of any shape.
        previous: the value `gap` training steps before.
        gap: what is judged per single step is judged only where this is 1.
        initial: the first value, for the displacement.
        previous_update: the change by the step before, for the direction of successive updates.
        gradient: of the loss at `previous`.
        layer: the layer that it belongs to.
        trainable: False for a variable that is frozen on purpose.
        description: Markdown.

    Raises:
        TypeError: one of the arrays is none.
        ValueError: an argument is not allowed, or the shapes differ.
    """
    others = {"previous": previous, "initial": initial, "previous_update": previous_update, "gradient": gradient}
    checked = options_of(WeightOptions, options, "weight_change_pb")
    call = WeightChangeRequest.check(name, value, others, gap, checked, tensors.to_numpy)
    return values.summary(call.build())
