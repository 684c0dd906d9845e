"""The processes of `torch.distributed`: what they agree on goes through the group's store, what they join through a group of our own.

The store answers with a time limit and needs nobody else, so a worker that is alone, has failed or has left costs the others a wait at
most. Collectives run only after all have agreed, and in a group that the training does not use: they cannot be taken for the training's
own, whatever becomes of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

from tb_featuremap_plugin.monitor.workers import Agreement, Reduction, Stand, Team, Workers, words

SECONDS = 30.0
"""How long workers that take part are waited for; they come to a logged step as near to each other as the training's own collectives."""

START_SECONDS = 10.0
"""How long `watch` waits for the others, where nobody has said that they come: a rank that logs alone waits once."""

UNEVEN_SECONDS = 3.0
"""The same where batches may be uneven: whoever has none left waits for the others, and never comes."""

_LEFT = "left"
_ROOT = Path(__file__).parents[2]
_GRACE = 1.25
"""By how much longer the others wait for the first worker than that waits for them."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 2e-4, 2e-2
"""Seconds between two questions to the store: workers that come together wait little, and a late one costs little."""

_FRAMES = 3
"""Callers that are compared: a function that calls `watch` for two models is called from two lines."""

_made: Counter[str] = Counter()


class TorchWorkers(Team):
    """The processes of a group of `torch.distributed`, by default all.

    Args:
        group: whose processes train the model together.
        seconds: how long others are waited for.
        start_seconds: the same for the first time.
        about: what all must have in common to be the same workers, such as a model's parameters.
        uneven: whether some may have run out of batches (`join()`), and then never come.
    """

    def __init__(
        self,
        group: distributed.ProcessGroup | None = None,
        *,
        seconds: float | None = None,
        start_seconds: float | None = None,
        about: str = "",
        uneven: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rank = distributed.get_rank(group)
        self.size = distributed.get_world_size(group)
        self.ended = ""
        self._seconds = SECONDS if seconds is None else seconds
        self._start_seconds = self._seconds if start_seconds is None else start_seconds
        self._uneven = uneven
        self._group: Any = None
        self._round = 0
        self._answers: list[str] = []
        self._count = 0
        ranks = distributed.get_process_group_ranks(group) if group is not None else list(range(self.size))
        identity = hashlib.blake2b(f"{ranks}\n{about}\n{_called_from()}".encode(), digest_size=12).hexdigest()
        self._identity = identity
        self._name = ""
        self._store = _own_connection(distributed.distributed_c10d._get_default_store())
        self._alone_writes: bool | None = None

    @property
    def writes(self) -> bool:
        """The first worker; of workers that log alone, the first one that said so."""
        return self.rank == 0 if self._alone_writes is None else self._alone_writes

    def start(self) -> Agreement:
        """Waits for the others, for the first time."""
        if self._round or self.ended:
            return Agreement("ended" if self.ended else "joined", self.ended)
        missed = self._go_where_others_meet()
        agreement = self._ask(Stand("start"), self._start_seconds)
        if agreement.outcome == "joined":
            agreement = self._ask(Stand("start", problem=self._connect()), self._seconds)
        if agreement.outcome != "joined":
            self._end(agreement.reason)
            self._say_over()
            self._alone_writes = not missed and self._is_first()
        return agreement if agreement.outcome == "joined" else Agreement("ended", self.ended)

    def agree(self, stand: Stand) -> Agreement:
        """Asks all workers, by the store: each says how it stands, the first one judges, and all get its answer."""
        if not self._round:
            self.start()
        return Agreement("ended", self.ended) if self.ended else self._ask(stand, self._patience())

    def all_reduce(self, values: npt.NDArray[np.float64], how: Reduction) -> npt.NDArray[np.float64]:
        """Joins an array of equal shape on all workers, entry by entry, in a group of our own."""
        tensor = torch.from_numpy(values.copy())
        options = distributed.AllreduceOptions()
        options.reduceOp = distributed.ReduceOp.SUM if how == "sum" else distributed.ReduceOp.MAX
        try:
            self._group.allreduce([tensor], options).wait()
        except Exception as error:  # each backend raises errors of its own
            self._end(f"a collective failed: {words(error)}")
            raise
        joined: npt.NDArray[np.float64] = tensor.numpy()
        return joined

    def first_says(self, answer: bool) -> bool:
        """The first worker's answer, which waits for nobody; the others wait for it."""
        if not self._round:
            self.start()
        if self.ended:
            return answer and self.writes
        self._count += 1
        key = f"{self._name}/answer/{self._count}"
        try:
            if self.rank == 0:
                self._store.set(key, str(int(answer)))
                self._answers.append(key)
                return answer
            if self._came([key], self._patience()):
                return self._heard(self._store.get(key))
            self._end(f"rank 0 did not say within {self._patience():g} s whether a step is due")
            return False
        except Exception as error:  # each store raises errors of its own
            self._end(f"rank 0 did not say whether a step is due: {words(error)}")
            return False

    def leave(self) -> None:
        """Says for the next time that all are asked that this worker has left."""
        if self._round and not self.ended:
            self._round += 1
            left = Agreement("ended", f"rank {self.rank} has left")
            try:
                self._store.set(self._key(self.rank), _encode(left))
                if self.rank == 0:
                    self._store.compare_set(self._key("verdict"), "", _encode(left))
                    self._store.set(f"{self._name}/answer/{self._count + 1}", _LEFT)
            except Exception:  # the store went with the process that kept it: nobody is waiting there
                pass
        self._end(self.ended or "closed")

    def _heard(self, answer: bytes) -> bool:
        if answer == _LEFT.encode():
            self._end("rank 0 has left")
        return answer == b"1"

    def _patience(self) -> float:
        return min(self._seconds, UNEVEN_SECONDS) if self._uneven() else self._seconds

    def _ask(self, stand: Stand, seconds: float) -> Agreement:
        self._round += 1
        try:
            self._store.set(self._key(self.rank), json.dumps([stand.step, stand.plan, stand.problem, stand.samples]))
            agreement = self._judge(seconds) if self.rank == 0 else self._wait_for_verdict(seconds)
            agreement = _decode(self._store.compare_set(self._key("verdict"), "", _encode(agreement)))
        except Exception as error:  # the process that kept the store is gone, or the network
            agreement = Agreement("ended", f"the process group's store failed: {words(error)}")
        if agreement.outcome == "ended":
            self._end(agreement.reason)
        else:
            self._forget()
        return agreement

    def _judge(self, seconds: float) -> Agreement:
        keys = [self._key(rank) for rank in range(self.size)]
        if not self._came(keys, seconds):
            missing = [rank for rank, key in enumerate(keys) if not self._store.check([key])]
            return Agreement("ended", f"{_ranks(missing)} did not come within {seconds:g} s")
        found = [json.loads(self._store.get(key)) for key in keys]
        left = next((answer for answer in found if isinstance(answer, dict)), None)
        return Agreement("ended", left["reason"]) if left else _judged(found)

    def _wait_for_verdict(self, seconds: float) -> Agreement:
        key = self._key("verdict")
        if self._came([key], seconds * _GRACE):
            return _decode(self._store.get(key))
        return Agreement("ended", f"rank 0 did not answer within {seconds * _GRACE:g} s")

    def _came(self, keys: list[str], seconds: float) -> bool:
        """Whether all keys are there within the time. Asked again and again: a wait in the store holds up all who use its connection."""
        until, pause = time.monotonic() + seconds, _SHORTEST_PAUSE
        while not self._store.check(keys):
            if time.monotonic() > until:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return True

    def _forget(self) -> None:
        """Keys that all have read: those of this time were read by the first worker, which asks only when all have come."""
        if self.rank == 0:
            old = [*self._answers, *(self._key(rank) for rank in range(self.size)), f"{self._name}/{self._round - 1}/verdict"]
            self._answers = []
            try:
                for key in old:
                    self._store.delete_key(key)
            except Exception:  # a store of files does not delete
                pass

    def _connect(self) -> str:
        """Makes the group of our own; returns what went wrong."""
        try:
            store = distributed.PrefixStore(f"{self._name}/gloo", self._store)
            self._group = distributed.ProcessGroupGloo(store, self.rank, self.size, timedelta(seconds=self._seconds))
        except Exception as error:  # of the network, or a build without Gloo
            return f"no connection: {words(error)}"
        return ""

    def _go_where_others_meet(self) -> bool:
        """Gives this meeting a name, and passes those over that ended without this rank; returns whether there were any."""
        missed = -1
        over = True
        while over:
            missed += 1
            _made[self._identity] += 1
            self._name = f"tb_featuremap/{self._identity}/{_made[self._identity]}"
            try:
                over = self._store.check([f"{self._name}/over"])
            except Exception:  # the store is gone, which is found again where others are waited for
                over = False
        return missed > 0

    def _is_first(self) -> bool:
        """Whether this rank is the one that writes, of ranks that log alone."""
        try:
            return int(self._store.compare_set(f"{self._name}/writer", "", str(self.rank))) == self.rank
        except Exception:  # without a store nobody can say who else writes
            return self.rank == 0

    def _say_over(self) -> None:
        with contextlib.suppress(Exception):  # without a store nobody comes late
            self._store.set(f"{self._name}/over", "1")

    def _end(self, reason: str) -> None:
        self.ended = self.ended or reason
        self._group = None

    def _key(self, part: object) -> str:
        return f"{self._name}/{self._round}/{part}"


def workers(group: distributed.ProcessGroup | None = None, *, seconds: float = SECONDS) -> Workers | None:
    """The processes that train together, for `workers=` of `watch` and `Monitor`: says that all of them make the same calls.

    Args:
        group: by default all processes.
        seconds: how long a logged step waits for workers that do not come; nothing is joined from then on.

    Returns:
        The workers; None where `torch.distributed` does not run, and for a single process.
    """
    return TorchWorkers(group, seconds=seconds) if is_distributed(group) else None


def is_distributed(group: distributed.ProcessGroup | None = None) -> bool:
    """Whether several processes run in this group."""
    return bool(distributed.is_available() and distributed.is_initialized() and distributed.get_world_size(group) > 1)


def workers_of(model: torch.nn.Module, group: distributed.ProcessGroup | None, outer: torch.nn.Module) -> TorchWorkers:
    """The processes that train a model, of which some may not log it: those that do find each other within `START_SECONDS`.

    Args:
        model: the user's own module.
        group: that its gradients are joined in.
        outer: what the user gave, such as a `DistributedDataParallel`, which knows whether batches may be uneven.
    """

    def uneven() -> bool:
        return bool(getattr(getattr(outer, "_join_config", None), "enable", False))

    parameters = [name for name, _ in model.named_parameters()]  # their shapes may be those of each rank's part
    return TorchWorkers(group, start_seconds=START_SECONDS, about="\n".join(parameters), uneven=uneven)


def say_alone(team: Team, stacklevel: int) -> None:
    """Warns where this process logs without the others, or not at all because another one does."""
    if team.ended and team.writes:
        warnings.warn(
            f"rank {team.rank} of {team.size} logs alone, without the probes of the others: {team.ended}; to join all probes call watch on "
            "every rank, at the same line; to log alone without waiting and without this warning give workers=None",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    elif team.ended:
        warnings.warn(
            f"rank {team.rank} of {team.size} logs nothing: {team.ended}; another rank may log", RuntimeWarning, stacklevel=stacklevel
        )


def _judged(found: list[list[str]]) -> Agreement:
    """What the first worker answers to how all of them stand."""
    steps, plans, problems, samples = (list(column) for column in zip(*found, strict=True))
    failed = [f"rank {rank}: {problem}" for rank, problem in enumerate(problems) if problem]
    if failed:
        return Agreement("failed", "; ".join(failed), all_planned=all(plans))
    if len(set(steps)) > 1:
        other = next(rank for rank, step in enumerate(steps) if step != steps[0])
        return Agreement("differ", f"rank {other} is at {steps[other]}, rank 0 at {steps[0]}")
    if len(set(plans)) > 1:
        others = [rank for rank, plan in enumerate(plans) if plan != plans[0]]
        return Agreement("differ", f"layers, their sizes but for the samples, or variables of {_ranks(others)} are not those of rank 0")
    first = {digest: rank for rank, digest in reversed(list(enumerate(samples)))}
    return Agreement("joined", repeated=tuple(rank for rank, digest in enumerate(samples) if digest and first[digest] != rank))


def _encode(agreement: Agreement) -> str:
    return json.dumps(asdict(agreement))


def _decode(text: bytes) -> Agreement:
    found = json.loads(text)
    return Agreement(**{**found, "repeated": tuple(found["repeated"])})


def _ranks(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8]))
    return f"rank {shown}" if len(ranks) == 1 else f"ranks {shown}{' and others' if len(ranks) > 8 else ''}"


def _own_connection(store: Any) -> Any:
    """A store of the same content, so that a wait of ours does not hold up the engine's own calls."""
    try:
        return store.clone()
    except Exception:  # older versions, and stores that cannot
        return store


def _called_from() -> list[str]:
    """The lines that the user's own code came by: ranks that log together run the same."""
    lines: list[str] = []
    frame = inspect.currentframe()
    while frame is not None and len(lines) < _FRAMES and "multiprocessing" not in frame.f_code.co_filename:
        if _ROOT not in Path(frame.f_code.co_filename).parents:
            lines.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        frame = frame.f_back if frame.f_code.co_name != "<module>" else None
    return lines
