"""What a torch module is: by the classes that it derives from, by what its parameters do, and by its name."""

from __future__ import annotations

import re
from collections.abc import Collection

from torch import nn

from tb_featuremap_plugin.integrations.torch.data_flow import KERNEL_OF_CONVOLUTION, KERNEL_OF_DENSE, SCALE, TABLE
from tb_featuremap_plugin.schema import activations
from tb_featuremap_plugin.schema.layer_kinds import ACTIVATION, CONVOLUTION, CONVOLUTIONS, DENSE, EMBEDDING, NORMALISATION, family_of

_KINDS = (
    (re.compile(r"^Lazy"), ""),
    (re.compile(r"^Linear$|^NonDynamicallyQuantizableLinear$"), "dense"),
    (re.compile(r"^(Sync)?BatchNorm.*|^InstanceNorm.*"), "batch_normalization"),
    (re.compile(r"^LayerNorm$|^RMSNorm$"), "layer_normalization"),
    (re.compile(r"^GroupNorm$"), "group_normalization"),
    (re.compile(r"^ConvTranspose(\dd)$"), r"conv\1_transpose"),
    (re.compile(r"^MaxPool(\dd)$"), r"max_pooling\1"),
    (re.compile(r"^AvgPool(\dd)$"), r"average_pooling\1"),
    (re.compile(r"^(.*)ReLU(6?)$"), r"\1_relu\2"),
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")

CONVOLUTION_MODULES = (nn.modules.conv._ConvNd,)
_WITH_WEIGHTS = (
    *(*CONVOLUTION_MODULES, nn.Linear, nn.Bilinear, nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.modules.rnn.RNNCellBase),
    *(nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, *((nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ())),
)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
_HARD_LIMITS = {(-1, 1): "hard_tanh", (0, 6): "relu6"}
"""What `nn.Hardtanh` is, by its limits."""

_OF_USE = {KERNEL_OF_CONVOLUTION: ("conv", CONVOLUTION), KERNEL_OF_DENSE: ("dense", DENSE), TABLE: ("embedding", EMBEDDING)}
_OF_SCALE = ("layer_normalization", NORMALISATION)


def has_weights_of_its_own(module: nn.Module) -> bool:
    """Whether a module is one of torch's that multiply or rescale, though it may have parts: a normalisation with its activation in it."""
    return isinstance(module, _WITH_WEIGHTS) and any(True for _ in module.parameters(recurse=False))


def kind_of(module: nn.Module, uses: Collection[str] = ()) -> str:
    """The module in words, the same as for Keras where the two mean the same.

    A class that derives from one of torch's layers is that layer. Of another class it decides what its own parameters do; then its name.

    Args:
        module: of any class.
        uses: what its own parameters do, as of `Flow`.
    """
    torchs = _torch_class(type(module))
    if torchs is not None:
        words = _in_words(torchs.__name__)
        depthwise = isinstance(module, CONVOLUTION_MODULES) and 1 < module.groups == module.in_channels
        return f"depthwise_{words}" if depthwise else words
    words = _in_words(getattr(module, "original_name", None) or _own_bases(type(module))[0].__name__)
    done = [_OF_USE[use] for use in _OF_USE if use in uses] or ([_OF_SCALE] if SCALE in uses else [])
    families = {family for _, family in done} | ({*CONVOLUTIONS} if CONVOLUTION in {family for _, family in done} else set())
    return words if not done or family_of(words) in families else done[0][0]


def activation_of(module: nn.Module, kind: str | None = None) -> str | None:
    """Name of a module's activation; "linear" for convolutions and dense layers, None where the question makes no sense.

    Args:
        module: of any class.
        kind: as of `kind_of`; by default found out.
    """
    if isinstance(module, nn.Hardtanh) and not isinstance(module, nn.ReLU6):
        return _HARD_LIMITS.get((module.min_val, module.max_val))
    kind = kind if kind is not None else kind_of(module)
    family = family_of(kind)
    if family in (*CONVOLUTIONS, DENSE):
        return "linear"
    known = activations.find(kind) if family == ACTIVATION else None
    return known.name if known is not None else None


def is_worth_a_picture(kind: str) -> bool:
    """Whether the output of a module of this kind is logged by default: convolutions, dense layers, normalisations and activations."""
    return family_of(kind) in (*CONVOLUTIONS, DENSE, ACTIVATION, NORMALISATION)


def _torch_class(kind: type[nn.Module]) -> type[nn.Module] | None:
    """The first of torch's own layers that a class derives from; None if it derives from none but containers."""
    for base in _own_bases(kind):
        if base is nn.Module or base in _CONTAINERS or not issubclass(base, nn.Module):
            return None
        if base.__module__.startswith("torch.") and not base.__name__.startswith(("Parametrized", "_")):
            return base
    return None


def _own_bases(kind: type) -> list[type]:
    """The class and its bases, without what `fully_shard` put in front of it ("FSDPLinear")."""
    return [base for base in kind.__mro__ if not base.__module__.startswith("torch.distributed.")] or [kind]


def _in_words(name: str) -> str:
    for pattern, replacement in _KINDS:
        name = pattern.sub(replacement, name)
    return _WORD_START.sub("_", name).lower().lstrip("_").replace("__", "_")
