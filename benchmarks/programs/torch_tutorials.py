"""Healthy programs by the idea of PyTorch's tutorials and of papers' first listings: losses and loops that differ from the usual."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn
from torch.utils.data import DataLoader, TensorDataset

import tb_featuremap_plugin as fm
from benchmarks.programs.data import table, walk
from benchmarks.programs.loops import Apply, dense, digit_tensors, fit, small_conv, tensors, watched
from benchmarks.programs.program import healthy


@healthy("quickstart: three dense layers, SGD with a rate of 0.001, few epochs", "loop")
def _quickstart(logdir: Path) -> Any:
    torch.manual_seed(40)
    x, y = digit_tensors()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    loss_fn, loss = nn.CrossEntropyLoss(), torch.zeros(())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=8)
    with watched(model, logdir, x, y, loss_fn=loss_fn, optimizer=optimizer) as watcher:
        for _ in range(2):
            for batch, (data, target) in enumerate(loader):
                loss = loss_fn(model(data), target)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                watcher.step(loss)
                if batch == 150:
                    break
    return loss.item()


@healthy("transfer: a body that has learnt, all of it tuned, step decay, momentum", "loop")
def _transfer(logdir: Path) -> Any:
    torch.manual_seed(41)
    x, y = digit_tensors()
    model = small_conv(norm=True)
    first = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        at = torch.randint(len(x), (64,))
        first.zero_grad()
        fn.cross_entropy(model(x[at]), y[at]).backward()
        first.step()
    model[-1] = nn.Linear(model[-1].in_features, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=40, gamma=0.1)
    return fit(model, x, y % 2, nn.CrossEntropyLoss(), optimizer, logdir, scheduler=scheduler, batch=8)


@healthy("frozen body whose normalisation stays in evaluation mode", "loop")
def _frozen_statistics(logdir: Path) -> Any:
    torch.manual_seed(42)
    x, y = digit_tensors()
    body = nn.Sequential(
        nn.Conv2d(1, 24, 3), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 24, 3), nn.BatchNorm2d(24), nn.ReLU(), nn.Flatten()
    )
    model = nn.Sequential(body, nn.Linear(24 * 16, 10))
    first = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(120):
        at = torch.randint(len(x), (64,))
        first.zero_grad()
        fn.cross_entropy(model(x[at]), y[at]).backward()
        first.step()
    body.requires_grad_(False)
    model[1] = nn.Linear(24 * 16, 5)
    optimizer, loss = torch.optim.Adam(model[1].parameters(), lr=1e-3), torch.zeros(())
    with watched(model, logdir, x, y // 2, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(4):
            model.train()
            body.eval()
            for _ in range(30):
                at = torch.randint(len(x), (32,))
                loss = fn.cross_entropy(model(x[at]), y[at] // 2)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                watcher.step(loss)
    return loss.item()


@healthy("distillation: soft targets by KL divergence and labels", "loss")
def _distilled(logdir: Path) -> Any:
    torch.manual_seed(43)
    x, y = digit_tensors(flat=True)
    teacher, student = dense(64, 128, 128, 10), dense(64, 16, 10)
    first = torch.optim.Adam(teacher.parameters(), 3e-3)
    for _ in range(150):
        at = torch.randint(len(x), (64,))
        first.zero_grad()
        fn.cross_entropy(teacher(x[at]), y[at]).backward()
        first.step()
    teacher.eval()
    optimizer, loss, hot = torch.optim.Adam(student.parameters(), 1e-3), torch.zeros(()), 2.0
    with watched(student, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (128,))
            optimizer.zero_grad()
            with torch.no_grad():
                soft = fn.softmax(teacher(x[at]) / hot, -1)
            logits = student(x[at])
            distance = torch.sum(soft * (soft.log() - fn.log_softmax(logits / hot, -1))) / len(at) * hot**2
            loss = 0.25 * distance + 0.75 * fn.cross_entropy(logits, y[at])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("deep Q-learning with a target network beside it", "loss")
def _q_learning(logdir: Path) -> Any:
    torch.manual_seed(44)
    policy = dense(2, 64, 64, 3)
    target = copy.deepcopy(policy)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, amsgrad=True)
    criterion, loss = nn.SmoothL1Loss(), torch.zeros(())
    with fm.torch.watch(policy, str(logdir), probe=torch.rand(32, 2) * 2 - 1, optimizer=optimizer, every=1) as watcher:
        for _ in range(150):
            state, action = torch.rand(64, 2) * 2 - 1, torch.randint(3, (64, 1))
            after = (state + 0.2 * torch.cat([state[:, 1:], action - 1.0], 1)).clamp(-1, 1)
            reward = -after.abs().sum(1)
            with torch.no_grad():
                wanted = reward + 0.9 * target(after).max(1).values
            loss = criterion(policy(state).gather(1, action), wanted.unsqueeze(1))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(policy.parameters(), 100)
            optimizer.step()
            with torch.no_grad():
                for old, new in zip(target.parameters(), policy.parameters(), strict=True):
                    old.lerp_(new, 0.02)
            watcher.step(loss)
    return loss.item()


@healthy("differential equation by a tanh network and second derivatives", "loss")
def _physics(logdir: Path) -> Any:
    torch.manual_seed(45)
    model, loss = dense(1, 32, 32, 1, hidden=nn.Tanh), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    with fm.torch.watch(model, str(logdir), probe=torch.rand(32, 1), every=1) as watcher:
        for _ in range(150):
            t = torch.rand(64, 1, requires_grad=True)
            u = model(t)
            du = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
            ddu = torch.autograd.grad(du.sum(), t, create_graph=True)[0]
            start = model(torch.zeros(1, 1))
            loss = (ddu + 2 * du + 9 * u).pow(2).mean() * 1e-1 + (start - 1).pow(2).mean() * 10
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Sine(nn.Module):
    def __init__(self, inputs: int, outputs: int, first: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / 30
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(30 * self.linear(x))


@healthy("a picture as a function of its coordinates, sine layers", "network")
def _sines(logdir: Path) -> Any:
    torch.manual_seed(46)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
    where, colour = torch.stack([x, y], 2).reshape(-1, 2), (torch.sin(5 * x) * torch.cos(7 * y)).reshape(-1, 1)
    model = nn.Sequential(_Sine(2, 64, True), _Sine(64, 64), _Sine(64, 64), nn.Linear(64, 1))
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-4), torch.zeros(())
    with watched(model, logdir, where, colour, loss_fn=fn.mse_loss, optimizer=optimizer) as watcher:
        for _ in range(150):
            optimizer.zero_grad()
            loss = fn.mse_loss(model(where), colour)
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("two towers and a temperature that is learnt, as CLIP", "loss")
def _towers(logdir: Path) -> Any:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.text = small_conv(16), nn.Sequential(nn.Embedding(30, 16), nn.Flatten(), nn.Linear(48, 16))
            self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

        def forward(self, images: torch.Tensor, words: torch.Tensor) -> Any:
            a, b = fn.normalize(self.image(images), dim=1), fn.normalize(self.text(words), dim=1)
            return self.logit_scale.exp() * a @ b.t()

    torch.manual_seed(47)
    x, y = digit_tensors()
    words = torch.stack([y, 10 + y, 20 + torch.randint(10, y.shape)], 1)
    model = Pair()
    optimizer, loss = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.2), torch.zeros(())
    with fm.torch.watch(model, str(logdir), probe=[x[:16], words[:16]], optimizer=optimizer, every=1) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (16,))
            scores = model(x[at], words[at])
            labels = torch.arange(16)
            loss = (fn.cross_entropy(scores, labels) + fn.cross_entropy(scores.t(), labels)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("two views, a predictor and a stopped gradient, as SimSiam", "loss")
def _two_views(logdir: Path) -> Any:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64, affine=False)
            )
            self.predictor = nn.Sequential(nn.Linear(64, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64))

        def forward(self, one: torch.Tensor, two: torch.Tensor) -> Any:
            a, b = self.encoder(one), self.encoder(two)
            return self.predictor(a), self.predictor(b), a.detach(), b.detach()

    torch.manual_seed(48)
    x, _ = digit_tensors(flat=True)
    model, near, loss = Net(), nn.CosineSimilarity(dim=1), torch.zeros(())
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1e-4)
    with fm.torch.watch(model, str(logdir), probe=[x[:32], x[:32] + 0.1], optimizer=optimizer, every=1) as watcher:
        for _ in range(100):
            at = torch.randint(len(x), (64,))
            p, q, a, b = model(x[at] + 0.3 * torch.randn(64, 64), x[at] + 0.3 * torch.randn(64, 64))
            loss = -(near(p, b).mean() + near(q, a).mean()) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Codes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = dense(64, 48, 16), dense(16, 48, 64)
        self.codes = nn.Embedding(24, 16)
        self.codes.weight.data.uniform_(-1 / 24, 1 / 24)

    def forward(self, x: torch.Tensor) -> Any:
        z = self.encoder(x)
        code = self.codes(torch.cdist(z, self.codes.weight).argmin(1))
        return self.decoder(z + (code - z).detach()), z, code


@healthy("a code book and a gradient that goes straight through, as VQ-VAE", "loss")
def _code_book(logdir: Path) -> Any:
    torch.manual_seed(49)
    x, _ = digit_tensors(flat=True)
    model, loss = _Codes(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    with watched(model, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(150):
            batch = x[torch.randint(len(x), (64,))]
            made, z, code = model(batch)
            loss = fn.mse_loss(made, batch) + fn.mse_loss(code, z.detach()) + 0.25 * fn.mse_loss(z, code.detach())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("lines of text by CTC, convolutions and a two-way LSTM", "loss")
def _lines(logdir: Path) -> Any:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 2)), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
            )
            self.lstm, self.fc = nn.LSTM(64, 32, bidirectional=True, batch_first=True), nn.Linear(64, 11)

        def forward(self, x: torch.Tensor) -> Any:
            h = self.conv(x).permute(0, 3, 1, 2).flatten(2)
            return fn.log_softmax(self.fc(self.lstm(h)[0]), 2).permute(1, 0, 2)

    torch.manual_seed(50)
    x, y = digit_tensors()
    model, criterion, loss = Reader(), nn.CTCLoss(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with fm.torch.watch(
        model, str(logdir), probe=torch.cat(list(x[:3]), 2)[None].repeat(4, 1, 1, 1), optimizer=optimizer, every=1
    ) as watcher:
        for _ in range(150):
            at = torch.randint(len(x), (16, 3))
            lines = torch.cat([x[at[:, n]] for n in range(3)], 3)
            loss = criterion(model(lines), y[at] + 1, torch.full((16,), 12), torch.full((16,), 3))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5)
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("mixture densities: several answers to one question, negative log-likelihood", "loss")
def _mixture(logdir: Path) -> Any:
    torch.manual_seed(51)
    t = torch.rand(1000, 1) * 2 - 1
    x = t + 0.3 * torch.sin(2 * math.pi * t) + 0.05 * torch.randn(1000, 1)

    def minus_log_likelihood(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        weights, means, spreads = out.chunk(3, 1)
        parts = torch.distributions.Normal(means, fn.softplus(spreads) + 1e-3).log_prob(target)
        return -torch.logsumexp(fn.log_softmax(weights, 1) + parts, 1).mean()

    model = dense(1, 32, 32, 15, hidden=nn.Tanh)
    return fit(model, x, t, minus_log_likelihood, torch.optim.Adam(model.parameters(), 5e-3), logdir, steps=200)


@healthy("words near each other: skip-grams with negative samples", "loss")
def _skip_grams(logdir: Path) -> Any:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.outer = nn.Embedding(40, 16), nn.Embedding(40, 16)

        def forward(self, word: torch.Tensor, near: torch.Tensor) -> Any:
            return (self.inner(word)[:, None] * self.outer(near)).sum(2)

    torch.manual_seed(52)
    (text,) = tensors(walk())
    model, loss = Words(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    probe = [text[:32], text[1:33, None]]
    with fm.torch.watch(model, str(logdir), probe=probe, optimizer=optimizer, every=1) as watcher:
        for _ in range(150):
            at = torch.randint(len(text) - 1, (128,))
            near = torch.cat([text[at + 1][:, None], torch.randint(40, (128, 5))], 1)
            labels = torch.zeros(128, 6)
            labels[:, 0] = 1
            loss = fn.binary_cross_entropy_with_logits(model(text[at], near), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("table with embeddings of categories, three quantiles, one cycle of rates", "loss")
def _quantiles(logdir: Path) -> Any:
    class Tabular(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeds = nn.ModuleList([nn.Embedding(7, 4), nn.Embedding(12, 6)])
            self.bn, self.body = nn.BatchNorm1d(8), nn.Sequential(dense(18, 64, 32, 3), Apply(lambda h: h))

        def forward(self, categories: torch.Tensor, numbers: torch.Tensor) -> Any:
            told = [embed(categories[:, at]) for at, embed in enumerate(self.embeds)]
            return self.body(torch.cat([*told, self.bn(numbers)], 1))

    torch.manual_seed(53)
    numbers, z = tensors(*table(1200, 8))
    categories = torch.stack([torch.randint(7, (1200,)), torch.randint(12, (1200,))], 1)
    z = z + 0.3 * categories[:, :1]
    model, quantiles, loss = Tabular(), torch.tensor([0.1, 0.5, 0.9]), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=150)
    scaled = numbers * 40 + 300
    with fm.torch.watch(model, str(logdir), probe=[categories[:32], scaled[:32]], optimizer=optimizer, every=1) as watcher:
        for _ in range(150):
            at = torch.randint(1200, (64,))
            apart = z[at] - model(categories[at], scaled[at])
            loss = torch.maximum(quantiles * apart, (quantiles - 1) * apart).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            watcher.step(loss)
    return loss.item()
