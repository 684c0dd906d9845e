"""Follows tensors through a pass: which modules they came from, what their axes are, and what became of the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakTensorKeyDictionary

from tb_featuremap_plugin.integrations.common import axes as algebra
from tb_featuremap_plugin.integrations.common.axis_labels import Axis, Labels, Origins, Role, Trust
from tb_featuremap_plugin.integrations.torch.axis_rules import CONTRACTIONS, OperatorCall, labels_after
from tb_featuremap_plugin.integrations.torch.nests import tensors

KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE, TABLE, SCALE = "convolution", "dense", "embedding", "normalisation"
"""What a parameter does: it multiplies, is looked up in, or rescales a normalised output."""

_WEIGHTS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("convolution", "_convolution", "deform_conv2d"), (KERNEL_OF_CONVOLUTION, ("weight",))),
    "embedding": (TABLE, ("weight",)),
    **dict.fromkeys(("native_batch_norm", "native_layer_norm", "native_group_norm", "_fused_rms_norm"), (SCALE, ("weight", "bias"))),
}
_NO_DATA = (
    "zeros_like",
    "ones_like",
    "empty_like",
    "full_like",
    "rand_like",
    "randn_like",
    "new_zeros",
    "new_ones",
    "new_empty",
    "new_full",
)


@dataclass(frozen=True)
class Known:
    """What is known of a tensor.

    Attributes:
        labels: of its axes.
        sources: names of the calls of modules that it came from.
        from_input: whether it holds anything of the model's input.
        parameters: names of those that it is a form of: masked, normalised, transposed.
        image: place in a list of images of the one that it comes from; None if it comes from no list, or from several.
        entry: the axis and the index that it was selected by.
    """

    labels: Labels
    sources: tuple[str, ...] = ()
    from_input: bool = False
    parameters: frozenset[str] = frozenset()
    image: int | None = None
    entry: tuple[Axis, int] | None = None


@dataclass
class Flow:
    """What was seen of a pass.

    Attributes:
        origins: of axes.
        uses: what each parameter does, by name.
        used_at: how many calls had ended before a parameter was first used.
        ended: how many calls have.
        sizes, axes: of each parameter.
        inputs_first: parameters that are matrices [inputs, outputs].
        inputs: labels of what the model was called with.
        problem: the first error of a rule; what it concerned is unknown.
    """

    origins: Origins = field(default_factory=Origins)
    uses: dict[str, set[str]] = field(default_factory=dict)
    used_at: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    axes: dict[str, tuple[Axis, ...]] = field(default_factory=dict)
    inputs_first: set[str] = field(default_factory=set)
    inputs: list[Labels] = field(default_factory=list)
    problem: Exception | None = None
    _images: int = 0
    _known: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)

    def known(self, tensor: torch.Tensor) -> Known:
        """What is known of a tensor; what was never seen has new axes, and comes from nowhere."""
        found: Known | None = self._known.get(tensor)
        if found is None:
            found = Known(algebra.unknown(tensor.shape, self.origins))
            self._known[tensor] = found
        return found

    def set(self, tensor: torch.Tensor, known: Known) -> None:
        """Says what is known of a tensor."""
        self._known[tensor] = known

    def labels(self, tensor: torch.Tensor) -> Labels:
        """Of the axes of a tensor; unknown ones where it was reshaped behind our back."""
        labels = self.known(tensor).labels
        return labels if labels.shape == tuple(tensor.shape) else algebra.unknown(tensor.shape, self.origins)

    def relabel(self, tensor: torch.Tensor, labels: Labels) -> None:
        """Says what a tensor's axes are."""
        if labels.shape == tuple(tensor.shape):
            self.set(tensor, replace(self.known(tensor), labels=labels))

    def sources(self, value: Any) -> tuple[str, ...]:
        """Names of the calls that the tensors in `value` came from."""
        return tuple(dict.fromkeys(name for tensor in tensors(value) for name in self.known(tensor).sources))

    def came_from(self, outputs: Iterable[torch.Tensor], name: str) -> None:
        """Says that a module has put these out."""
        for tensor in outputs:
            self.set(tensor, replace(self.known(tensor), sources=(name,)))

    def begin(self, module: torch.nn.Module, arguments: Any) -> None:
        """Labels what the model is called with, and its parameters.

        The first axis of the inputs is that of the samples; a list of images of three axes each is one sample an image.
        """
        for name, parameter in [*module.named_parameters(), *module.named_buffers()]:
            if not is_lazy(parameter):
                self.set(parameter, replace(self.known(parameter), parameters=frozenset({name})))
                self.sizes[name] = parameter.numel()
                self.axes[name] = self.labels(parameter).axes
        given = tensors(arguments)
        first = next((tensor for tensor in given if tensor.ndim), None)
        images = next((value for value in _arguments(arguments) if isinstance(value, (list, tuple)) and _are_images(value)), ())
        places = {id(image): place for place, image in enumerate(images)}
        self._images = len(images)
        for tensor in given:
            labels = algebra.unknown(tensor.shape, self.origins)
            if first is not None and tensor.ndim and tensor.shape[0] == first.shape[0] and not images:
                labels = algebra.replace_axis(labels, 0, [(self.origins.samples(first.shape[0]),)])
            self.set(tensor, Known(labels, from_input=True, image=places.get(id(tensor))))
            self.inputs.append(labels)

    def operator(self, name: str, arguments: dict[str, Any], outputs: list[torch.Tensor], *, pointwise: bool) -> None:
        """Takes note of a call of an operator."""
        inputs = tensors(arguments)
        known = [self.known(tensor) for tensor in inputs]
        from_input = name not in _NO_DATA and any(one.from_input for one in known)
        sources = tuple(dict.fromkeys(source for one in known for source in one.sources))
        own = frozenset(name for one in known for name in one.parameters)
        parameters = frozenset[str]() if from_input or name in CONTRACTIONS else own
        for parameter in own:
            self.used_at.setdefault(parameter, self.ended)
        self._note_uses(name, arguments)
        try:
            call = OperatorCall(name, arguments, outputs, self.labels, lambda tensor: self.known(tensor).from_input, self.origins)
            found = labels_after(call, pointwise=pointwise)
            if self._images:
                found = self._put_together(name, arguments, known, found)
        except Exception as error:  # of a rule that met what it was not made for: what its outputs are is not known then
            self.problem = self.problem or error
            found = [algebra.unknown(output.shape, self.origins) for output in outputs]
        if name == "mul":
            self._note_gain(known, found[0])
        images = {one.image for one in known if one.from_input}
        image = next(iter(images)) if len(images) == 1 else None
        entry = _entry(name, arguments, known)
        for output, labels in zip(outputs, found, strict=True):
            self.set(output, Known(labels, sources, from_input, parameters, image, entry))

    def _put_together(self, name: str, arguments: dict[str, Any], known: list[Known], found: list[Labels]) -> list[Labels]:
        """Where all images of a list are put side by side, or each into its entry of a batch, the new axis is that of the samples."""
        places = [one.image for one in known]
        if name in ("stack", "cat") and places == list(range(self._images)):
            at = int(arguments.get("dim", 0)) % len(found[0].axes)
            return (
                [algebra.replace_axis(found[0], at, [(self.origins.samples(self._images),)])]
                if found[0].shape[at] == self._images
                else found
            )
        target = known[0].entry if name == "copy" and len(known) == 2 else None
        fits = target is not None and known[1].image == target[1] and [factor.size for factor in target[0]] == [self._images]
        if fits and target is not None and self.origins.sample is None:
            self.origins.sample = target[0][0]
        return found

    def _note_gain(self, operands: Sequence[Known], product: Labels) -> None:
        """A parameter of one number an entry of the last axis is a gain a channel, as that of a normalisation of the user's own."""
        gains = [one for one in operands if one.parameters and len(one.labels.axes) == 1 and not one.from_input]
        if gains and len(product.axes) > 1:
            self.origins.claim_axis(product.axes[-1], Role.CHANNEL, Trust.JOINED)

    def _note_uses(self, name: str, arguments: dict[str, Any]) -> None:
        """A parameter does what the operator does that is given it in some form, unless the form has more entries: a gain is no kernel."""
        for use, tensor in _weights_of(name, arguments, lambda tensor: self.known(tensor).from_input):
            for parameter in self.known(tensor).parameters:
                if use in (SCALE, TABLE) or self.sizes.get(parameter, 0) >= _entries(tensor):
                    self.uses.setdefault(parameter, set()).add(use)
                    self._note_order(name, parameter, tensor)

    def _note_order(self, name: str, parameter: str, tensor: torch.Tensor) -> None:
        """A matrix that is multiplied as it is stored has its inputs first; one that is transposed before has them last."""
        stored = self.axes.get(parameter, ())
        if name in ("mm", "addmm") and len(stored) == tensor.ndim == 2 and self.labels(tensor).axes == stored:
            self.inputs_first.add(parameter)


def _entries(tensor: torch.Tensor) -> int:
    """How many numbers a tensor holds, without those that are only repeated."""
    return math.prod(size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)


def _weights_of(name: str, arguments: dict[str, Any], from_input: Callable[[torch.Tensor], bool]) -> list[tuple[str, torch.Tensor]]:
    """The tensors that an operator multiplies by, looks up in or rescales by, and which of these it is."""
    if name in _WEIGHTS:
        use, keys = _WEIGHTS[name]
        return [(use, arguments[key]) for key in keys if isinstance(arguments.get(key), torch.Tensor)]
    if name not in CONTRACTIONS:
        return []
    added = "self" if name in ("addmm", "baddbmm") else ""
    operands = [value for key, value in arguments.items() if isinstance(value, torch.Tensor) and key not in (added, "bias")]
    return [(KERNEL_OF_DENSE, tensor) for tensor in operands if not from_input(tensor)][-1:]


def _entry(name: str, arguments: dict[str, Any], known: list[Known]) -> tuple[Axis, int] | None:
    """The axis and the index that a view was selected by, also of a part of such a view."""
    if name == "select":
        axes = known[0].labels.axes
        return axes[arguments["dim"] % len(axes)], int(arguments["index"])
    return known[0].entry if name == "slice" and known else None


def _are_images(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(image, torch.Tensor) and image.ndim == 3 and image.is_floating_point() for image in value)


def _arguments(arguments: Any) -> list[Any]:
    args, kwargs = arguments
    return [*args, *kwargs.values()]
