"""Recognises weights that somebody changed after the last step, by a few entries of a few of them."""

from __future__ import annotations

from collections.abc import Iterable

import torch

MOST_TENSORS = 4
"""Whose entries are kept: what restores or averages weights goes over all of them."""

_ENTRIES = 16


class WeightMarks:
    """A few entries of some tensors, copied after each step for what it costs to launch one operation.

    Args:
        tensors: parameters; spread over those that train some are chosen.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        plain = [tensor for tensor in tensors if type(tensor) in (torch.Tensor, torch.nn.Parameter) and _is_plain(tensor)]
        plain = [tensor for tensor in plain if tensor.requires_grad] or plain
        stride = max(len(plain) / MOST_TENSORS, 1.0)
        self._tensors = [plain[int(index * stride)] for index in range(min(len(plain), MOST_TENSORS))]
        self._views = [_middle(tensor) for tensor in self._tensors]
        self._copies = [view.clone() for view in self._views]
        self._versions = self._now()

    def note(self) -> None:
        """Takes the entries as they are now."""
        if any(tensor.data_ptr() != place for tensor, (place, _) in zip(self._tensors, self._versions, strict=True)):
            self._views = [_middle(tensor) for tensor in self._tensors]
        with torch.no_grad():
            self._copies = [view.clone() for view in self._views]
        self._versions = self._now()

    def written(self) -> bool:
        """Whether a tensor was given other memory, or written in the open, since `note`; the device need not wait for this answer."""
        return self._now() != self._versions

    def have_gradients(self) -> bool:
        """Whether some of the tensors hold a gradient, as they do between the updates of a training."""
        return any(tensor.grad is not None for tensor in self._tensors if tensor.is_leaf)

    def changed(self) -> bool:
        """Whether entries are other ones than at `note`."""
        with torch.no_grad():
            now = [_middle(tensor) for tensor in self._tensors]
            return any(
                one.shape != other.shape or not torch.equal(one.nan_to_num(), other.nan_to_num())
                for one, other in zip(now, self._copies, strict=True)
            )

    def _now(self) -> list[tuple[int, int]]:
        return [(tensor.data_ptr(), tensor._version) for tensor in self._tensors]


def _is_plain(tensor: torch.Tensor) -> bool:
    known = tensor.layout == torch.strided and tensor.device.type != "meta" and not torch.nn.parameter.is_lazy(tensor)
    return known and tensor.is_floating_point() and tensor.is_contiguous() and not tensor.is_inference() and tensor.numel() > 0


def _middle(tensor: torch.Tensor) -> torch.Tensor:
    flat = tensor.detach().view(-1)
    start = max(len(flat) // 2 - _ENTRIES // 2, 0)
    return flat[start : start + _ENTRIES]
