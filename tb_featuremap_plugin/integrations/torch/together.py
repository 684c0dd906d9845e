"""Passes of a probe through a model of which other processes hold parts: all make them at once, or nobody does.

Before each collective in a pass all are asked whether they are well. So a pass that fails on one rank ends on all of them at the same
place, and no collective waits for a rank that will not come. What sharding keeps of a pass is as before afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tb_featuremap_plugin.arrays.shards import shard_of
from tb_featuremap_plugin.integrations.torch.workers import is_distributed
from tb_featuremap_plugin.monitor.workers import Stand, Team, words

_COLLECTIVES = ("c10d", "_c10d_functional", "c10d_functional", "_c10d_functional_autograd")
_HARMLESS = ("wait_tensor", "monitored_barrier_wait")


class PassError(RuntimeError):
    """A pass was given up because of other ranks; to try again in another way would leave them behind."""


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether other processes hold parts of the parameters: FSDP, tensor parallelism, and any other `DTensor`."""
    if any("FullyShardedDataParallel" in _bases(part) for part in model.modules()):
        return is_distributed()
    return any(shard_of(parameter) is not None for parameter in model.parameters())


class Passes:
    """Makes the passes of one model, together with other ranks where it has collectives.

    Args:
        model: the user's own module.
        team: who log it together; None where each process is on its own.
    """

    def __init__(self, model: torch.nn.Module, team: Team | None) -> None:
        self._model = model
        self._team = team
        self.sharded = is_sharded(model)
        self._in_lockstep = True

    @property
    def impossible(self) -> str:
        """Why no pass can be made; empty where one can."""
        if any("FullyShardedDataParallel" in _bases(part) for part in self._model.modules()) and is_distributed():
            why = "FullyShardedDataParallel does not let a pass be given up when it fails on one rank, as fully_shard does"
            return f"{why}; weights are those that this rank holds"
        if self.sharded and not (self._team is not None and self._team.joins):
            return "other ranks hold parts of the parameters, and do not take part; numbers of weights are those of this rank's parts"
        return ""

    def say(self, error: PassError, stacklevel: int) -> None:
        """Warns that there are no feature maps, and why."""
        warnings.warn(f"no feature maps: {error}", RuntimeWarning, stacklevel=stacklevel)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Surrounds a pass.

        Raises:
            PassError: it was given up because of other ranks, or has collectives that these would not enter.
        """
        if self.impossible:
            raise PassError(f"no probe pass: {self.impossible}")
        shards = _Shards(self._model)
        try:
            if self._team is not None and self._team.joins and self._in_lockstep:
                yield from self._lockstep(self._team)
            elif is_distributed():
                with _NoCollectives():
                    yield
            else:
                yield
        finally:
            shards.put_back()

    def _lockstep(self, team: Team) -> Iterator[None]:
        mode = _Lockstep(team)
        try:
            with mode:
                yield
        except PassError:
            raise
        except Exception as error:  # whatever a model raises: the others are told before it goes on
            found = team.agree(Stand("in the probe pass", f"end after {mode.seen}", words(error)))
            if found.reason.count("rank ") == team.size:  # of all of them: a model that does not work this way may work another way
                raise
            raise PassError(f"the probe pass was given up: {found.reason}") from error
        found = team.agree(Stand("in the probe pass", f"end after {mode.seen}"))
        if found.outcome != "joined":
            raise PassError(f"the probe pass was given up: {found.reason}")
        self._in_lockstep = self.sharded or mode.seen > 0


class _Collectives(TorchDispatchMode):  # type: ignore[misc]  # its module has no types
    """Sees every collective before it begins, also those that sharded tensors make."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(kind.__name__ == "DTensor" for kind in types):
            return NotImplemented  # it is made of plain operations, which come by here too
        if func.namespace in _COLLECTIVES and not func.__name__.startswith(_HARMLESS):
            self.before(func.__name__.partition(".")[0].rstrip("_"))
        return func(*args, **(kwargs or {}))

    def before(self, name: str) -> None:
        raise NotImplementedError


class _Lockstep(_Collectives):
    def __init__(self, team: Team) -> None:
        super().__init__()
        self._team = team
        self.seen = 0

    def before(self, name: str) -> None:
        self.seen += 1
        found = self._team.agree(Stand("in the probe pass", f"{name} {self.seen}"))
        if found.outcome != "joined":
            raise PassError(f"the probe pass was given up: {found.reason}")


class _NoCollectives(_Collectives):
    def before(self, name: str) -> None:
        raise PassError(
            f"no probe pass: the model calls {name}, which other ranks would have to enter too; "
            "give workers=fm.torch.workers() on every rank"
        )


class _Shards:
    """What `fully_shard` keeps between passes: whole parameters, and the order in which it fetches them.

    Raises:
        PassError: this version of torch keeps it elsewhere.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        try:
            states = [module._get_fsdp_state() for module in model.modules() if hasattr(module, "_get_fsdp_state")]
            self._states = [(state, state._training_state) for state in states]
            groups = [group for state in states for group in _groups_of(state)]
            self._groups = [(group, group._training_state, group.is_unsharded, len(group._post_forward_indices)) for group in groups]
            self._orders = {id(group.comm_ctx): len(getattr(group.comm_ctx, "post_forward_order", ())) for group in groups}
        except AttributeError as error:
            raise PassError(f"no probe pass: what fully_shard keeps is not known in torch {torch.__version__}: {error}") from error

    def put_back(self) -> None:
        """Parameters are sharded again that were, and nobody remembers the pass."""
        for state, mode in self._states:
            state._training_state = mode
            state._state_ctx.iter_forward_root = None
        for group, mode, whole, count in self._groups:
            if group._all_gather_result is not None:
                group.wait_for_unshard()
            group._training_state = mode
            del group._post_forward_indices[count:]
            if not whole and group.is_unsharded:
                group.reshard()
            if hasattr(group.comm_ctx, "post_forward_order"):
                group.comm_ctx.all_gather_state = None
                del group.comm_ctx.post_forward_order[self._orders.get(id(group.comm_ctx), 0) :]


def _groups_of(state: Any) -> list[Any]:
    one = getattr(state, "_fsdp_param_group", None)
    return list(getattr(state, "_fsdp_param_groups", [one] if one is not None else []))


def _bases(module: torch.nn.Module) -> set[str]:
    return {base.__name__ for base in type(module).__mro__}
