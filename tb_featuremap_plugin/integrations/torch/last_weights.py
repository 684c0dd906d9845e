"""The weights of the last step: whether the model still has them when a run is closed, and what they were."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable
from typing import Any

import torch

from tb_featuremap_plugin.integrations.torch.followed_model import FollowedModel
from tb_featuremap_plugin.integrations.torch.weight_marks import WeightMarks


class LastWeights:
    """Notices when somebody changes weights after the last step: restores the best ones, or puts averages in their place.

    Where that is done by `load_state_dict`, the weights are copied to the host right before it, so that the last record can still show
    them. Other ways are seen too late for that.

    Args:
        model: whose weights they are.
    """

    def __init__(self, model: FollowedModel) -> None:
        self._model = model
        self._kept: dict[str, torch.Tensor] | None = None
        self.are_others = False
        self.follow()
        self._remove_hook = _before_loading(model.model, _BeforeLoading(self))

    def follow(self) -> None:
        """Takes the parameters that there are now."""
        self._marks = WeightMarks(self._model.parameters().values())

    def note(self) -> None:
        """A step has ended: its weights are those of now."""
        self._kept = None
        self._marks.note()

    @property
    def marks(self) -> WeightMarks:
        """A few entries of the weights, as they were at the last step."""
        return self._marks

    def keep(self) -> None:
        """Copies the weights to the host, as long as they are those of the last step."""
        if self._kept is None and not self._model.is_sharded and not self._marks.changed():
            self._kept = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self._model.weights().items()}

    def settle(self) -> None:
        """No more steps will come: looks whether the weights are still those of the last one."""
        self._remove_hook()
        self.are_others = self._marks.changed()

    def weights(self) -> dict[str, torch.Tensor]:
        """Those of the last step, as far as they are known."""
        return self._model.weights() if not self.are_others else self._kept or {}


def _before_loading(model: torch.nn.Module, hook: Callable[..., None]) -> Callable[[], object]:
    """Has a hook called before the model loads weights.

    Returns:
        What ends that.
    """
    if isinstance(model, torch.jit.RecursiveScriptModule):  # takes no hooks
        return lambda: None
    register = getattr(model, "register_load_state_dict_pre_hook", model._register_load_state_dict_pre_hook)
    remove: Callable[[], object] = register(hook).remove
    return remove


class _BeforeLoading:
    """A hook of the model's that does not keep the watcher alive.

    In a copy of the model, and in a file that `torch.save` makes of the whole model, something stands for it that does nothing and needs
    no package to be loaded: `itertools.chain`, which takes all that a hook is called with and looks at none of it.
    """

    def __init__(self, last: LastWeights | None = None) -> None:
        self._last = None if last is None else weakref.ref(last)

    def __call__(self, *arguments: Any) -> None:
        last = None if self._last is None else self._last()
        if last is not None:
            try:
                last.keep()
            except Exception:  # out of memory, or weights that cannot be read: then the last record is without them
                return

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (itertools.chain,)
