"""What is known of a layer, and of a run: the contents of the run record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, cast

from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.answers import ROLES
from tb_featuremap_plugin.schema.one_line import counted, described, quoted

if TYPE_CHECKING:
    from tb_featuremap_plugin.schema.answers import RunRecordAnswer


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What is known of one layer. Layers are listed in order of depth; unknown is None, and what needs it is then not judged.

    Attributes:
        name: as in the mapping of activations.
        kind: "conv2d", "depthwise_conv2d", "dense", "batch_normalization", ...; any spelling, lower-case.
        activation: "relu", "softmax", ...; None if unknown, "linear" if there is none.
        weights: names of its trainable variables, as in the mapping of weights.
        state: names of its other variables: moving statistics and the like.
        trainable: False for a layer that is frozen on purpose.
        role: "hidden", "output" or "auxiliary".
        inputs: names of the layers before it.
        kernel_size, strides, dilation: one number an axis of space.
        padding: "same", "valid", "causal", or one number an axis of space (before and after).
        groups: groups of a grouped convolution.
        frozen: those of its weights that training leaves alone though the layer is trainable: a kernel whose bias trains, the base
            of an adapter.
        receives: lowest and highest number that it got when the probe first passed; None if unknown, and for whole numbers.
        output_function: activation that the model's own code, no layer, applies last to what an output layer puts out.
        output_axis: axis over which that function, or the layer itself, normalises, counted from 0.
        kernels: those of its weights that multiply its input; None where that is to be told by their names.
        layout: axes of its output, such as "NHWC"; "unknown" where it is not certain which are samples and channels, and None where nobody
            said anything.
        calls: how often it is called in one pass, if more than once: it is listed as it was called first, "<name>:2" and so on.
        rate: of dropout, the share that it drops in training.

    Raises:
        TypeError: a name is no string, or a size no whole number.
        ValueError: `role` is none of the three, or `groups` below 1.
    """

    name: str = field(kw_only=False)
    kind: str | None = None
    activation: str | None = None
    weights: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    trainable: bool = True
    role: str = "hidden"
    inputs: tuple[str, ...] = ()
    kernel_size: tuple[int, ...] | None = None
    strides: tuple[int, ...] | None = None
    padding: str | tuple[int, ...] | None = None
    dilation: tuple[int, ...] | None = None
    groups: int | None = None
    frozen: tuple[str, ...] = ()
    receives: tuple[float, ...] | None = None
    output_function: str | None = None
    output_axis: int | None = None
    kernels: tuple[str, ...] | None = None
    layout: str | None = None
    calls: int | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role is {self.role!r}; allowed are {list(ROLES)}")
        for name in ("weights", "state", "inputs", "kernel_size", "strides", "dilation", "frozen", "kernels"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, (value,) if isinstance(value, (int, str)) else tuple(value))
        self._check_types()

    def __repr__(self) -> str:
        kind = quoted(self.kind) if self.kind else None
        activation = f"activation {quoted(self.activation)}" if self.activation else None
        frozen = None if self.trainable else "not trainable"
        role = self.role if self.role != "hidden" else None
        return described("Layer", quoted(self.name), kind, activation, role, frozen)

    @property
    def function(self) -> str | None:
        """Name of the activation that it applies: as said, or else what it is, where that is an activation; None if unknown."""
        return self.activation or (self.kind if activations.find(self.kind) is not None else None)

    def _check_types(self) -> None:
        for name in ("name", "kind", "activation", "layout"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "name"):
                raise TypeError(f"{name} is {value!r:.100}; allowed is a string")
        padding = self.padding if isinstance(self.padding, tuple) else ()
        sizes = {"kernel_size": self.kernel_size, "strides": self.strides, "dilation": self.dilation, "padding": padding}
        for name, numbers in sizes.items():
            if not all(isinstance(number, int) for number in numbers or ()):
                raise TypeError(f"{name} is {numbers!r:.100}; allowed is one whole number an axis of space")
        if self.groups is not None and (not isinstance(self.groups, int) or self.groups < 1):
            raise ValueError(f"groups is {self.groups!r}; allowed is a whole number from 1")


@dataclass(frozen=True, repr=False)
class Probe:
    """The inputs on which feature maps were computed from `step` on."""

    step: int
    digest: str
    shapes: Mapping[str, tuple[int, ...]]

    def __repr__(self) -> str:
        inputs = [f"{quoted(name)} {list(shape)}" for name, shape in self.shapes.items()]
        return described("Probe", f"from step {self.step} on", *inputs)


@dataclass(frozen=True)
class NetworkChange:
    """How the network of a logged step differs from that of the logged step before.

    Attributes:
        step: the logged step at which this was first seen.
        after: the logged step before, at which the network was still as it had been.
        layers_added, layers_removed: calls that were first seen, and that were no longer seen.
        variables_added, variables_removed: variables of layers that came, and that went.
        variables_replaced: variables that are others now, of the same name.
        frozen, unfrozen: variables that were no longer trained, and that were trained from then on.
    """

    step: int
    after: int
    layers_added: tuple[str, ...] = ()
    layers_removed: tuple[str, ...] = ()
    variables_added: tuple[str, ...] = ()
    variables_removed: tuple[str, ...] = ()
    variables_replaced: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    unfrozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossFacts:
    """What is known of a loss besides its name.

    Attributes:
        ignored: target that it leaves out, such as 255 or -100; None if there is none, or that is not known.
        weighted: whether classes or samples count differently.
        summed: whether it is summed over the batch, not averaged.
        constant: its value for the best constant answer to the probe's targets: their entropy, variance or mean distance from the median.
        error: standard error of `constant`, since the probe is a sample.
        entries: targets that both were computed from.
        output_shape, target_shape: of the probe, where the loss compares the two entry by entry as they are; () if unknown.
    """

    ignored: int | None = None
    weighted: bool = False
    summed: bool = False
    constant: float | None = None
    error: float = 0.0
    entries: int = 0
    output_shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class LoopFacts:
    """What was seen of a training loop at its first updates.

    Attributes:
        updates: that were looked at.
        kept_gradients: of those, updates by gradients that were not cleared since the one before.
        evaluating: updates of a model in evaluation mode that has layers that differ there.
        calls_without_update: calls that should have followed an update, where no update was ever made.
    """

    updates: int = 0
    kept_gradients: int = 0
    evaluating: int = 0
    calls_without_update: int = 0


@dataclass(frozen=True)
class RunRecord:
    """All that a run says of itself, cumulative: the latest record of a run contains the earlier ones.

    Attributes:
        layers: in order of depth.
        layer_rows, variable_rows: names of the rows of the packed tables.
        layer_columns, variable_columns, progress_columns: names of their columns.
        variable_shapes, variable_dtypes: by variable name.
        loss, from_logits, optimizer, weight_decay: as given; None if unknown.
        loss_facts: what else is known of the loss; None if nothing is.
        loop_facts: what was seen of the training loop; None if nothing was.
        not_optimized: trainable variables that the optimizer does not have.
        unregistered: layers of torch that get gradients, and that a plain list or dictionary hides from `parameters()`.
        probes: one entry each time the probe inputs changed.
        inputs_private: True if the probe inputs were left out on purpose.
        every: the schedule in words: "every 100 steps".
        versions: of this package and of the frameworks in use.
        left_out: what could not be logged, or was not in order to save space, each with its reason, by name: an argument ("loss"), an
            array of it ("weights/conv1/kernel", "activations/conv1") or a picture ("maps/conv1", "filters/conv1/kernel").
        changes: of the network, in order of their steps; the first 64.
        notes: what the logger wants the reader to know, such as a gap between steps that it could not avoid.
    """

    layers: tuple[Layer, ...] = ()
    layer_rows: tuple[str, ...] = ()
    layer_columns: tuple[str, ...] = ()
    variable_rows: tuple[str, ...] = ()
    variable_columns: tuple[str, ...] = ()
    progress_columns: tuple[str, ...] = ()
    variable_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    variable_dtypes: Mapping[str, str] = field(default_factory=dict)
    loss: str | None = None
    from_logits: bool | None = None
    optimizer: str | None = None
    weight_decay: float | None = None
    loss_facts: LossFacts | None = None
    loop_facts: LoopFacts | None = None
    not_optimized: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    inputs_private: bool = False
    every: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[NetworkChange, ...] = ()

    def __repr__(self) -> str:
        known = {"loss": self.loss, "optimizer": self.optimizer}
        named = [f"{key} {quoted(value)}" for key, value in known.items() if value]
        return described("RunRecord", counted(len(self.layers), "layer"), counted(len(self.variable_rows), "variable"), *named)

    def to_dict(self) -> RunRecordAnswer:
        """The record as plain JSON values."""
        return cast("RunRecordAnswer", asdict(self))


def before_weights(layers: Sequence[Layer]) -> frozenset[str]:
    """Names of the layers that nothing with weights comes before: what they put out is the inputs, at most scaled, moved or cut.

    Args:
        layers: in order of depth. One whose inputs are not known receives what the layers before it put out; of one whose kind is not
            known either, nothing is.
    """
    found: set[str] = set()
    known = {layer.name for layer in layers}
    begun = False
    for layer in layers:
        begun = begun or bool(layer.weights)
        receives_inputs = found.issuperset(known.intersection(layer.inputs)) if layer.inputs else layer.kind is not None and not begun
        if receives_inputs and not layer.weights:
            found.add(layer.name)
    return frozenset(found)
