"""Normalisation, dropout and other users of random numbers."""

# mypy: disable-error-code="misc, attr-defined, has-type, call-arg, assignment, operator"
# torch is Any here, so that mypy knows neither modules nor what they hold; what is odd in these models is what is tried.

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tests.support.torch_zoo.kit import WIDTH, Body, around, case, images


@case(images=True)
def norms_and_dropouts() -> nn.Module:
    return images(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.3), nn.InstanceNorm2d(4, track_running_stats=True), nn.RReLU())


@case()
def batch_norm_without_momentum() -> nn.Module:
    return around(nn.BatchNorm1d(WIDTH, momentum=None), nn.AlphaDropout(0.2), nn.FeatureAlphaDropout(0.2))


@case()
class NumpyNoise(Body):
    def middle(self, x: Any) -> Any:
        return x * torch.from_numpy(np.random.rand(*x.shape).astype(np.float32))


@case()
class PythonChoice(Body):
    """Stochastic depth by Python's random numbers, in both modes."""

    def middle(self, x: Any) -> Any:
        return x + torch.relu(x) if random.random() < 0.5 else x


@case()
class StochasticDepth(Body):
    def middle(self, x: Any) -> Any:
        keep = torch.rand(len(x), 1) < 0.8
        return x + torch.tanh(x) * keep


@case()
class Gumbel(Body):
    def middle(self, x: Any) -> Any:
        return F.gumbel_softmax(x, hard=not self.training)


@case()
class OwnGenerator(Body):
    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(4)
        self.others = {"numpy": np.random.default_rng(2), "old": np.random.RandomState(3), "python": random.Random(5)}

    def middle(self, x: Any) -> Any:
        noise = torch.randn(x.shape, generator=self.generator)
        scale = self.others["numpy"].random() + self.others["old"].rand() + self.others["python"].random()
        return x + noise * scale * 0.1


@case()
class Reparametrised(Body):
    """A variational bottleneck that draws in both modes and keeps its divergence."""

    divergence: Any = 0.0

    def middle(self, x: Any) -> Any:
        self.divergence = x.pow(2).mean()
        return x + torch.randn_like(x) * 0.1
