"""Tensors as they were: what a pass writes into, gives other memory or marks otherwise is put back afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_COLLECTIVES = ("c10d", "_c10d_functional", "fsdp")
"""Operations that move shards between processes: what they write is looked after by those who shard."""


@dataclass(frozen=True)
class _Saved:
    """A tensor before the pass, without its values: whoever writes them is seen.

    Attributes:
        tensor: the very object.
        alias: another view of the memory that it had.
        kind: its class, which materialising changes.
        requires_grad: whether it asked for gradients.
        grad: the tensor that held its gradient, if any.
        version: how often its memory had been written in place; None where that is not counted.
    """

    tensor: torch.Tensor
    alias: torch.Tensor
    kind: type
    requires_grad: bool
    grad: torch.Tensor | None
    version: int | None

    @classmethod
    def of(cls, tensor: torch.Tensor) -> _Saved:
        grad = tensor.grad if tensor.is_leaf else None
        return cls(tensor, tensor.data, type(tensor), tensor.requires_grad, grad, _version(tensor))

    def put_back(self) -> None:
        """Gives the tensor its class, memory and marks again; values are `WriteGuard`'s business."""
        tensor = self.tensor
        if not _same_memory(tensor, self.alias):
            tensor.data = self.alias
        if tensor.is_leaf:
            if tensor.requires_grad != self.requires_grad:
                tensor.requires_grad_(self.requires_grad)
            if tensor.grad is not self.grad:
                tensor.grad = self.grad
        if self.version is not None and tensor._version != self.version:
            _set_version(tensor, self.version)
        if type(tensor) is not self.kind:
            tensor.__class__ = self.kind


class TensorState:
    """The identity, memory and marks of tensors that exist before a pass."""

    def __init__(self) -> None:
        self._saved: list[_Saved] = []

    def add(self, tensor: torch.Tensor) -> None:
        """Remembers a tensor; nested ones, which have no sizes, are left alone."""
        if tensor.is_nested:
            return
        with torch._C.DisableTorchFunctionSubclass():
            self._saved.append(_Saved.of(tensor))

    def tensors(self) -> list[torch.Tensor]:
        """All that are remembered."""
        return [saved.tensor for saved in self._saved]

    def put_back(self) -> list[Exception]:
        """Puts all back.

        Returns:
            What was raised by tensors that do not let themselves be put back.
        """
        problems: list[Exception] = []
        for saved in self._saved:
            try:
                with torch._C.DisableTorchFunctionSubclass():
                    saved.put_back()
            except Exception as error:  # of a tensor class that somebody else wrote; the others are put back all the same
                problems.append(error)
        return problems


class WriteGuard(TorchDispatchMode):  # type: ignore[misc]  # its module has no types
    """Copies what is about to be overwritten, if it was there before the pass, and writes it back at the end.

    Nothing is copied that nobody writes: a pass that changes nothing costs no memory. Every operation that writes says so in its schema;
    `.data`, `detach()` and views are seen too. What writes behind torch's back, such as through `.numpy()`, is not: `keep` is for that.

    Args:
        only: tensors whose memory is looked after; None for all.
    """

    supports_higher_order_operators = True

    def __init__(self, only: Iterable[torch.Tensor] | None = None) -> None:
        super().__init__()
        self._only = None if only is None else {_memory(tensor) for tensor in only}
        self._made: set[int] = set()
        self._written: set[int] = set()
        self._kept: dict[Any, _Kept] = {}
        self._generators: dict[int, tuple[torch.Generator, torch.Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        effect = _effect_of(func)
        for position, name in effect.written:
            given = args[position] if position < len(args) else named.get(name)
            for tensor in tree_leaves(given) if isinstance(given, (list, tuple)) else (given,):
                if isinstance(tensor, torch.Tensor):
                    self._about_to_write(tensor)
        generator = named.get("generator")
        if generator is not None and id(generator) not in self._generators:
            self._generators[id(generator)] = (generator, generator.get_state())
        output = func(*args, **named)
        if effect.makes:
            self._made.update(_memory(tensor) for tensor in _tensors(output))
        return output

    def put_back(self) -> list[Exception]:
        """Writes the values back that were there before, the latest write first.

        Returns:
            What was raised by tensors that do not let themselves be written.
        """
        problems: list[Exception] = []
        for kept in reversed(self._kept.values()):
            try:
                kept.write_back()
            except Exception as error:  # of a tensor class that somebody else wrote; the others are written all the same
                problems.append(error)
        for generator, state in self._generators.values():
            generator.set_state(state)
        self._kept.clear()
        return problems

    def keep(self, tensor: torch.Tensor) -> None:
        """Copies a tensor's values, whoever will write over them."""
        key = (_memory(tensor), tensor.shape, tensor.dtype, *_geometry(tensor))
        if key not in self._kept:
            alias = _of_its_own(tensor.detach())
            self._kept[key] = _Kept(tensor, alias, alias.clone(), _version(tensor))

    def unseen(self) -> list[torch.Tensor]:
        """Tensors that were kept, have other values now, and were not seen to be written."""
        kept = [kept for (memory, *_), kept in self._kept.items() if memory not in self._written]
        return [one.tensor for one in kept if not same_bits(one.alias, one.values)]

    def saw(self, tensor: torch.Tensor) -> bool:
        """Whether this tensor's memory was seen to be written, and so is put back."""
        return _memory(tensor) in self._written

    def _about_to_write(self, tensor: torch.Tensor) -> None:
        memory = _memory(tensor)
        if memory not in self._made and (self._only is None or memory in self._only):
            self._written.add(memory)
            self.keep(tensor)


@dataclass(frozen=True)
class _Kept:
    """Values that the pass wrote over.

    Attributes:
        tensor: through which they were written, which counts the writes.
        alias: another view of the same memory, whatever becomes of the tensor.
        values: as they were.
        version: of the tensor before; None where that is not counted.
    """

    tensor: torch.Tensor
    alias: torch.Tensor
    values: torch.Tensor
    version: int | None

    def write_back(self) -> None:
        """Writes the values where they were, unless that memory was freed."""
        if self.alias.layout == torch.strided and self.alias.untyped_storage().nbytes() < _end(self.alias):
            return
        with torch.no_grad(), torch.inference_mode(self.alias.is_inference()):
            self.alias.copy_(self.values)
        if self.version is not None:
            _set_version(self.tensor, self.version)


@dataclass(frozen=True)
class _Effect:
    """What an operation does to memory: the arguments that it writes, by position and name, and whether it makes tensors."""

    written: tuple[tuple[int, str], ...] = ()
    makes: bool = False


@functools.cache
def _effect_of(func: Any) -> _Effect:
    schema = getattr(func, "_schema", None)
    if schema is None or func.namespace in _COLLECTIVES:
        return _Effect()
    arguments = enumerate(schema.arguments)
    written = tuple((place, item.name) for place, item in arguments if item.alias_info is not None and item.alias_info.is_write)
    return _Effect(written, any(item.alias_info is None for item in schema.returns))


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors of one shape and dtype hold the same bits, NaN included; True for those that cannot be looked into."""
    if one.layout != torch.strided or one.is_quantized or one.device.type == "meta":
        return True
    with torch.no_grad():
        return bool(torch.equal(bits_of(one), bits_of(other)))


def bits_of(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a dense tensor's values, in one row."""
    real = torch.view_as_real(tensor.detach().resolve_conj()) if tensor.is_complex() else tensor.detach()
    return real.contiguous().reshape(-1).view(torch.uint8)


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor without the code that a class of the user's runs at each use; one that is more than a tensor of another name as it is."""
    kind = type(tensor)
    if kind in (torch.Tensor, torch.nn.Parameter) or kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl:
        return tensor
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.as_subclass(torch.Tensor)


def _of_its_own(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor, or the memory of one whose entries lie in the same place, as of `expand`, which cannot be written through it."""
    if tensor.layout != torch.strided or torch._debug_has_internal_overlap(tensor) != 1:
        return tensor
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((reach + 1,), (1,), tensor.storage_offset())


def _tensors(output: Any) -> Iterable[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return (output,)
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]


def _memory(tensor: torch.Tensor) -> int:
    """Which memory a tensor lies in; of one without memory of its own, which tensor it is."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # sparse tensors and wrappers of others
        return id(tensor)


def _geometry(tensor: torch.Tensor) -> tuple[Any, ...]:
    try:
        return (tensor.storage_offset(), tensor.stride())
    except (RuntimeError, NotImplementedError):  # as above
        return ()


def _end(tensor: torch.Tensor) -> int:
    """Bytes of memory up to the last entry."""
    if not tensor.numel():
        return 0
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return int((tensor.storage_offset() + reach + 1) * tensor.element_size())


def _same_memory(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    if tensor.size() != alias.size() or tensor.dtype != alias.dtype or tensor.layout != alias.layout or tensor.device != alias.device:
        return False
    return bool(tensor.layout != torch.strided) or (_memory(tensor) == _memory(alias) and _geometry(tensor) == _geometry(alias))


def _version(tensor: torch.Tensor) -> int | None:
    return None if tensor.is_inference() else int(tensor._version)


def _set_version(tensor: torch.Tensor, version: int) -> None:
    """A user's graph may have kept this tensor: written and put back is not written."""
    setter: Callable[..., None] | None = getattr(torch._C._autograd, "_unsafe_set_version_counter", None)
    if setter is None:
        return
    try:
        setter((tensor,), (version,))
    except TypeError:  # torch before 2.6 takes one tensor
        setter(tensor, version)
