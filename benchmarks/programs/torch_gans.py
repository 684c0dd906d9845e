"""Healthy programs with two networks against each other, in PyTorch."""

from __future__ import annotations

import math
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.loops import dense, digit_tensors, watched
from benchmarks.programs.program import healthy


@healthy("deep convolutional GAN, two runs", "gans")
def _dcgan(logdir: Path) -> Any:
    torch.manual_seed(3)
    x, _ = digit_tensors()
    x = x / x.abs().max()
    generator = nn.Sequential(
        nn.ConvTranspose2d(16, 32, 2), nn.BatchNorm2d(32), nn.ReLU(True), nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16),
        nn.ReLU(True), nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 2), nn.Flatten(), nn.Sigmoid(),
    )  # fmt: skip
    for module in chain(generator.modules(), critic.modules()):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return _adversarial(generator, critic, x, nn.BCELoss(), torch.randn(32, 16, 1, 1), logdir)


@healthy("GAN of dense layers on points, scores without a sigmoid, two runs", "gans")
def _gan(logdir: Path) -> Any:
    torch.manual_seed(4)
    angle = torch.rand(800) * 2 * math.pi
    points = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(800, 2)
    return _adversarial(
        dense(4, 32, 32, 2), dense(2, 32, 32, 1, hidden=nn.Tanh), points, nn.BCEWithLogitsLoss(), torch.randn(32, 4), logdir, 2e-3
    )


def _adversarial(
    generator: nn.Module, critic: nn.Module, real: torch.Tensor, loss: nn.Module, noise: torch.Tensor, logdir: Path, rate: float = 2e-4 * 5
) -> float:
    of_critic = torch.optim.Adam(critic.parameters(), rate, betas=(0.5, 0.999))
    of_generator = torch.optim.Adam(generator.parameters(), rate, betas=(0.5, 0.999))
    last = torch.zeros(())
    judged = watched(critic, logdir / "critic", real, loss_fn=loss, optimizer=of_critic)
    made = watched(generator, logdir / "generator", noise, loss_fn=loss, optimizer=of_generator)
    with judged, made:
        for _ in range(100):
            fake = generator(torch.randn_like(noise))
            batch = real[torch.randint(len(real), (len(noise),))]
            of_critic.zero_grad()
            scores = critic(batch)
            wrong = loss(scores, torch.ones_like(scores)) + loss(critic(fake.detach()), torch.zeros_like(scores))
            wrong.backward()
            of_critic.step()
            judged.step(wrong)
            of_generator.zero_grad()
            last = loss(critic(fake), torch.ones_like(scores))
            last.backward()
            of_generator.step()
            made.step(last)
    return last.item()


@healthy("adversarial pair in one run, frozen in turns", "gans")
def _in_turns(logdir: Path) -> Any:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.g, self.d = dense(4, 32, 2), dense(2, 32, 1, hidden=nn.LeakyReLU)

        def forward(self, z: torch.Tensor) -> Any:
            return self.d(self.g(z))

    torch.manual_seed(5)
    model = Both()
    of_g, of_d = torch.optim.Adam(model.g.parameters(), 1e-3), torch.optim.Adam(model.d.parameters(), 1e-3)
    entropy, loss = fn.binary_cross_entropy_with_logits, torch.zeros(())
    with watched(model, logdir, torch.randn(32, 4)) as watcher:
        for _ in range(80):
            real, fake = torch.randn(32, 2) * 0.3 + 0.5, model.g(torch.randn(32, 4))
            model.d.requires_grad_(True)
            of_d.zero_grad()
            first = entropy(model.d(real), torch.ones(32, 1)) + entropy(model.d(fake.detach()), torch.zeros(32, 1))
            first.backward()
            of_d.step()
            model.d.requires_grad_(False)
            of_g.zero_grad()
            loss = entropy(model.d(fake), torch.ones(32, 1))
            loss.backward()
            of_g.step()
            watcher.step(loss.detach() + first.detach())
    return loss.item()
