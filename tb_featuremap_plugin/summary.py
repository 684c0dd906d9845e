"""Logging as with tf.summary: one call, one event. The `_pb` twins build the Summary alone, for any writer that takes one.

Nothing here imports TensorFlow: where it is not loaded there is no default writer, and nothing to write to.
"""

from __future__ import annotations

from tensorboard.compat.proto.summary_pb2 import Summary

from tb_featuremap_plugin import arrays
from tb_featuremap_plugin.calls import FeatureMapsCall, FiltersCall, WeightChangeCall
from tb_featuremap_plugin.pictures import FilterOptions, MapOptions, Precision


def feature_maps_pb(
    name: str,
    data: object,
    *,
    inputs: object | None = None,
    layout: str = "NHWC",
    activation: str | None = None,
    max_images: int = 1,
    max_channels: int = 256,
    precision: Precision = "uint8",
    description: str | None = None,
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
    options = MapOptions(layout, activation, max_images, max_channels, precision, description)
    return Summary(value=FeatureMapsCall.check(name, data, inputs, options, arrays.to_numpy).build())


def filters_pb(
    name: str,
    kernel: object,
    *,
    layout: str = "HWIO",
    layer: str | None = None,
    bias: object | None = None,
    max_filters: int = 256,
    description: str | None = None,
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
    options = FilterOptions(layout, layer, max_filters, description)
    return Summary(value=FiltersCall.check(name, kernel, bias, options, arrays.to_numpy).build())


def weight_change_pb(
    name: str,
    value: object,
    previous: object,
    *,
    gap: int = 1,
    initial: object | None = None,
    previous_update: object | None = None,
    gradient: object | None = None,
    layer: str | None = None,
    trainable: bool = True,
    description: str | None = None,
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
    return Summary(value=WeightChangeCall.check(name, value, others, gap, trainable, description, arrays.to_numpy).build())
