"""Programs with a fault, in PyTorch, written without looking at the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn

import tb_featuremap_plugin as fm
from benchmarks.programs.data import table, walk
from benchmarks.programs.loops import dense, digit_tensors, fit, small_conv, tensors, watched
from benchmarks.programs.program import faulty


@faulty("missing values in one column, never filled", "data", {"non_finite"})
def _missing(logdir: Path) -> Any:
    torch.manual_seed(70)
    values, z = table()
    values = values.copy()
    values[np.random.default_rng(70).random(len(values)) < 0.05, 3] = np.nan
    model = dense(10, 32, 1)
    x, y = tensors(values, z)
    return fit(model, x, y, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("incomes in dollars beside ages, SGD", "data", {"unscaled_input"})
def _incomes(logdir: Path) -> Any:
    torch.manual_seed(71)
    values, z = table()
    x, y = tensors(values * np.array([15000, 12, 1, 1, 300, 1, 1, 1, 1, 1], np.float32) + np.float32(40), z)
    model = dense(10, 32, 1)
    return fit(model, x, (y > 0).float(), nn.BCEWithLogitsLoss(), torch.optim.SGD(model.parameters(), 0.01), logdir)


@faulty("the loss with its sign turned", "loss", {"wrong_output", "loss_rises"})
def _turned(logdir: Path) -> Any:
    torch.manual_seed(72)
    x, y = digit_tensors(flat=True)
    model, loss = dense(64, 32, 10), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with watched(model, logdir, x, y, loss_fn=nn.CrossEntropyLoss(), optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (32,))
            loss = -fn.cross_entropy(model(x[at]), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@faulty("the logarithm of a softmax that has become zero", "loss", {"non_finite", "wrong_output", "too_fast"})
def _logarithm(logdir: Path) -> Any:
    torch.manual_seed(73)
    x, y = digit_tensors(flat=True)
    model, loss = nn.Sequential(dense(64, 64, 10), nn.Softmax(dim=1)), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 0.2)
    with watched(model, logdir, x, y, optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (32,))
            loss = -(fn.one_hot(y[at], 10) * torch.log(model(x[at]))).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@faulty("a rate of 1e-7", "loop", {"too_slow"})
def _slow(logdir: Path) -> Any:
    torch.manual_seed(74)
    model = small_conv()
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-7), logdir)


@faulty("weight decay of 0.5 in Adam", "loop", {"weight_decay_too_strong", "flat_loss", "constant_output", "vanishing_activation"})
def _decay(logdir: Path) -> Any:
    torch.manual_seed(75)
    x, y = digit_tensors(flat=True)
    model = dense(64, 64, 32, 10)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-2, weight_decay=0.5), logdir, steps=200)


@faulty("zero_grad between backward and step", "loop", {"unchanged_weights"})
def _cleared(logdir: Path) -> Any:
    torch.manual_seed(76)
    x, y = digit_tensors()
    model, loss = small_conv(norm=True), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(100):
            at = torch.randint(len(x), (32,))
            loss = fn.cross_entropy(model(x[at]), y[at])
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@faulty("only the head's parameters given to the optimizer, a random body", "loop", {"unchanged_weights", "frozen_random"})
def _head_only(logdir: Path) -> Any:
    torch.manual_seed(77)
    x, y = digit_tensors()
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten())
    model = nn.Sequential(body, nn.Linear(64, 10))
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model[1].parameters(), 0.05), logdir)


@faulty("eight sigmoid layers", "network", {"vanishing_gradient", "vanishing_activation", "constant_output"})
def _sigmoids(logdir: Path) -> Any:
    torch.manual_seed(78)
    x, y = digit_tensors(flat=True)
    model = dense(64, *[32] * 8, 10, hidden=nn.Sigmoid)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.1), logdir)


@faulty("biases that begin at -4 before ReLU", "network", {"dead_units", "bad_init"})
def _negative(logdir: Path) -> Any:
    torch.manual_seed(79)
    x, y = digit_tensors(flat=True)
    model = dense(64, 64, 64, 10)
    for at in (0, 2):
        nn.init.constant_(model[at].bias, -4.0)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


class _Attention(nn.Module):
    def __init__(self, width: int, std: float) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out, self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, 64), nn.Linear(64, width)
        for layer in (self.q, self.k):
            nn.init.normal_(layer.weight, std=std)

    def forward(self, x: torch.Tensor) -> Any:
        scores = self.q(x) @ self.k(x).transpose(1, 2)  # the division by sqrt(width) is forgotten
        hidden = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        x = x + self.out(scores.masked_fill(hidden, -1e9).softmax(2) @ self.v(x))
        return x + self.fc2(fn.gelu(self.fc1(x)))


class _Gpt(nn.Module):
    def __init__(self, std: float, embed: float = 1.0, depth: int = 2, tied: bool = False) -> None:
        super().__init__()
        self.embed, self.blocks = nn.Embedding(40, 32), nn.ModuleList([_Attention(32, std) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 40, bias=False)
        nn.init.normal_(self.embed.weight, std=embed)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> Any:
        h = self.embed(x)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


def _language(model: nn.Module, optimizer: torch.optim.Optimizer, logdir: Path) -> float:
    (text,) = tensors(walk())
    lines = text.unfold(0, 17, 5)

    def loss_fn(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return fn.cross_entropy(out.flatten(0, 1), y.flatten())

    return fit(model, lines[:, :-1], lines[:, 1:], loss_fn, optimizer, logdir, steps=120)


@faulty(
    "attention without a scale, queries and keys far too large", "transformers", {"attention_collapse", "bad_init", "vanishing_gradient"}
)
def _unscaled_attention(logdir: Path) -> Any:
    torch.manual_seed(80)
    model = _Gpt(2.0)
    return _language(model, torch.optim.AdamW(model.parameters(), 1e-3), logdir)


@faulty("tied embedding that begins with a spread of 8", "transformers", {"bad_init"})
def _tied_large(logdir: Path) -> Any:
    torch.manual_seed(81)
    model = _Gpt(0.1, embed=8.0, tied=True)
    return _language(model, torch.optim.AdamW(model.parameters(), 1e-3), logdir)


@faulty("transformer with a rate of 0.05 from the first step", "transformers", {"too_fast"})
def _no_warm_up(logdir: Path) -> Any:
    torch.manual_seed(82)
    layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
    model = nn.Sequential(nn.Embedding(40, 32), nn.TransformerEncoder(layer, 6, enable_nested_tensor=False), nn.Linear(32, 40))
    return _language(model, torch.optim.Adam(model.parameters(), 0.05), logdir)


def _pair(logdir: Path, *, saturating: bool = False, detached: bool = False, rate_g: float = 1e-3, rate_d: float = 1e-3) -> float:
    angle = torch.rand(800) * 6.28
    points = torch.stack([angle.cos(), angle.sin()], 1) * 4 + 0.05 * torch.randn(800, 2)
    made, judged = dense(4, 32, 32, 2), nn.Sequential(dense(2, 64, 64, 1), nn.Sigmoid())
    of_made, of_judged = torch.optim.Adam(made.parameters(), rate_g), torch.optim.Adam(judged.parameters(), rate_d)
    fooled = torch.zeros(())
    generator = fm.torch.watch(made, str(logdir / "generator"), probe=torch.randn(64, 4), optimizer=of_made, every=1)
    critic = fm.torch.watch(judged, str(logdir / "critic"), probe=points[:32], loss_fn=nn.BCELoss(), optimizer=of_judged, every=1)
    with generator, critic:
        for _ in range(150):
            real, fake = points[torch.randint(800, (64,))], made(torch.randn(64, 4))
            loss = fn.binary_cross_entropy(judged(real), torch.ones(64, 1))
            loss = loss + fn.binary_cross_entropy(judged(fake.detach()), torch.zeros(64, 1))
            of_judged.zero_grad()
            loss.backward()
            of_judged.step()
            critic.step(loss)
            scores = judged(fake.detach() if detached else fake)
            fooled = torch.log(1 - scores + 1e-8).mean() if saturating else fn.binary_cross_entropy(scores, torch.ones(64, 1))
            of_made.zero_grad()
            fooled.backward()
            of_made.step()
            generator.step(fooled)
    return fooled.item()


@faulty("generator with log(1 - D) against a critic that wins at once", "gans", {"vanishing_gradient", "too_slow", "saturated_activation"})
def _saturating(logdir: Path) -> Any:
    torch.manual_seed(83)
    return _pair(logdir, saturating=True, rate_g=1e-5, rate_d=2e-2)


@faulty("generator judged on detached pictures", "gans", {"unchanged_weights"})
def _judged_detached(logdir: Path) -> Any:
    torch.manual_seed(84)
    return _pair(logdir, detached=True)


@faulty("generator with a rate of 0.3", "gans", {"too_fast", "mode_collapse"})
def _hasty(logdir: Path) -> Any:
    torch.manual_seed(85)
    return _pair(logdir, rate_g=0.3)
