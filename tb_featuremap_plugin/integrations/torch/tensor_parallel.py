"""Outputs of which each rank holds a part: of modules whose parameters are split, and of what works on their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class OutputParts:
    """Knows in one pass which plain tensors are parts of a whole.

    A module whose parameters are split puts out a tensor that says which part it is, before a hook makes a plain tensor of it. What is
    made of that without parameters, and has the same shape (an activation, dropout), is the same part. Anything else is taken as it is.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[int, tuple[int, ...]], tuple[Any, Any]] = {}
        self._alive: list[torch.Tensor] = []

    def labelled(self, output: torch.Tensor, made_of: Sequence[torch.Tensor]) -> torch.Tensor:
        """The output as a tensor that knows of which whole it is a part; a whole one as it is.

        Args:
            output: of this rank.
            made_of: the tensors that it was computed from, if from these alone.
        """
        if _is_part(output):
            self._note(output.to_local(), output.device_mesh, output.placements)
            return output
        known = [self._parts.get(_key(tensor)) for tensor in made_of if tensor.shape == output.shape]
        part = next((one for one in known if one is not None), None)
        if part is None:
            return output
        self._note(output, *part)
        return torch.distributed.tensor.DTensor.from_local(output, *part, run_check=False)

    def _note(self, local: torch.Tensor, mesh: Any, placements: Any) -> None:
        self._alive.append(local)
        self._parts[_key(local)] = (mesh, placements)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with the parts of all ranks, which must all ask for it."""
    return tensor.full_tensor() if _is_part(tensor) else tensor


def shows_parts(module: torch.nn.Module) -> bool:
    """Whether a module's own output says which part of the whole it is, before hooks make a plain tensor of it."""
    return any(map(_is_part, module._parameters.values())) and not hasattr(module, "_get_fsdp_state")


def _is_part(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor") and hasattr(tensor, "placements")


def _key(tensor: torch.Tensor) -> tuple[int, tuple[int, ...]]:
    return tensor.data_ptr(), tuple(tensor.shape)
