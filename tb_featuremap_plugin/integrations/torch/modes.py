"""Running a probe through a torch module without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def inference(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, eager and without gradients; modes of all sub-modules and random numbers are as before at the end."""
    modes = [(part, part.training) for part in module.modules()]
    devices = sorted({parameter.device.index or 0 for parameter in module.parameters() if parameter.device.type == "cuda"})
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices))
        stack.enter_context(torch.no_grad())
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        module.eval()
        try:
            yield
        finally:
            for part, training in modes:
                part.training = training


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The user's own module: without what `torch.compile` and data parallelism put around it."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            inner = module.module
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner
