"""Healthy programs by the idea of PyTorch's examples: time sequences, translation, names, policies, styles, sounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as fn
from torch.utils.data import DataLoader, TensorDataset

import tb_featuremap_plugin as fm
from benchmarks.programs.data import photos, sentences
from benchmarks.programs.loops import dense, digit_tensors, tensors, watched
from benchmarks.programs.program import healthy


class _Waves(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm1, self.lstm2, self.linear = nn.LSTMCell(1, 16), nn.LSTMCell(16, 16), nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> Any:
        one = two = (torch.zeros(len(x), 16), torch.zeros(len(x), 16))
        made = []
        for value in x.split(1, dim=1):
            one = self.lstm1(value, one)
            two = self.lstm2(one[0], two)
            made.append(self.linear(two[0]))
        return torch.cat(made, 1)


@healthy("sine waves, two LSTM cells, LBFGS with a closure", "network")
def _waves(logdir: Path) -> Any:
    torch.manual_seed(21)
    at = torch.arange(24)[None] + torch.randint(-40, 40, (40, 1))
    waves = torch.sin(at / 5.0)
    model, criterion = _Waves(), nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)
    x, y = waves[:, :-1], waves[:, 1:]
    loss = torch.zeros(())
    with watched(model, logdir, x, y, loss_fn=criterion) as watcher:
        for _ in range(25):

            def closure() -> Any:
                optimizer.zero_grad()
                value = criterion(model(x), y)
                value.backward()
                return value

            loss = optimizer.step(closure)
            watcher.step(loss)
    return loss.item()


@healthy("policy gradient on a pole that must not fall", "loss")
def _policy(logdir: Path) -> Any:
    torch.manual_seed(22)
    rng = np.random.default_rng(22)
    policy = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.6), nn.ReLU(), nn.Linear(64, 2), nn.Softmax(dim=1))
    optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
    lengths = []
    with fm.torch.watch(policy, str(logdir), probe=torch.randn(16, 4) * 0.05, optimizer=optimizer, every=1) as watcher:
        for _ in range(80):
            state, chances, rewards = rng.uniform(-0.05, 0.05, 4), [], []
            for _ in range(60):
                choice = torch.distributions.Categorical(policy(torch.tensor(state, dtype=torch.float32)[None]))
                action = choice.sample()
                chances.append(choice.log_prob(action))
                force = 1.0 if action.item() else -1.0
                state = state + 0.05 * np.array([state[1], force, state[3] * 3, 4 * state[2] - 2 * force])
                rewards.append(1.0)
                if abs(state[2]) > 0.2:
                    break
            returns = torch.tensor([sum(0.99 ** (b - a) for b in range(a, len(rewards))) for a in range(len(rewards))])
            returns = (returns - returns.mean()) / (returns.std() + 1e-8) if len(returns) > 1 else returns
            optimizer.zero_grad()
            loss = torch.cat([-chance * value for chance, value in zip(chances, returns, strict=True)]).sum()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
            lengths.append(len(rewards))
    return float(np.mean(lengths[-10:]))


@healthy("super resolution by PixelShuffle, orthogonal weights", "network")
def _larger(logdir: Path) -> Any:
    torch.manual_seed(23)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 5, 1, 2), nn.ReLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 16, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(16, 4, 3, 1, 1), nn.PixelShuffle(2),
    )  # fmt: skip
    for at, gain in ((0, 2**0.5), (2, 2**0.5), (4, 2**0.5), (6, 1.0)):
        nn.init.orthogonal_(model[at].weight, gain)
    (pictures,) = tensors(photos()[0].mean(3)[:, None] / 255)
    small = fn.interpolate(pictures, scale_factor=0.5, mode="bilinear")
    optimizer, criterion, loss = torch.optim.Adam(model.parameters(), 1e-3), nn.MSELoss(), torch.zeros(())
    loader = DataLoader(TensorDataset(small, pictures), batch_size=16, shuffle=True)
    with watched(model, logdir, small, pictures, loss_fn=criterion, optimizer=optimizer) as watcher:
        for _ in range(4):
            for x, y in loader:
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                watcher.step(loss)
    return loss.item()


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(channels, affine=True)
        self.conv2, self.in2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"), nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: torch.Tensor) -> Any:
        return x + self.in2(self.conv2(fn.relu(self.in1(self.conv1(x)))))


def _gram(maps: torch.Tensor) -> torch.Tensor:
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()


@healthy("neural style: pixels 0..255, instance norm, content and style", "loss")
def _style(logdir: Path) -> Any:
    torch.manual_seed(24)
    eye = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU()).requires_grad_(False)
    body = [nn.Conv2d(3, 12, 5, 1, 2), nn.InstanceNorm2d(12, affine=True), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1)]
    body += [nn.InstanceNorm2d(24, affine=True), nn.ReLU(), _Residual(24), _Residual(24), nn.Upsample(scale_factor=2)]
    model = nn.Sequential(*body, nn.Conv2d(24, 12, 3, 1, 1), nn.InstanceNorm2d(12, affine=True), nn.ReLU(), nn.Conv2d(12, 3, 5, 1, 2))
    (pictures,) = tensors(photos(256)[0].transpose(0, 3, 1, 2))
    style = _gram(eye(pictures[:1] / 255))
    optimizer, mse, total = torch.optim.Adam(model.parameters(), 1e-3), nn.MSELoss(), torch.zeros(())
    with watched(model, logdir, pictures) as watcher:
        for _ in range(80):
            x = pictures[torch.randint(len(pictures), (4,))]
            optimizer.zero_grad()
            seen, wanted = eye(model(x) / 255), eye(x / 255)
            total = 1e5 * mse(seen, wanted) + 1e6 * mse(_gram(seen), style.expand(4, -1, -1))
            total.backward()
            optimizer.step()
            watcher.step(total)
    return total.item()


class _Names(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.i2h, self.h2h, self.h2o = nn.Linear(30, 64), nn.Linear(64, 64), nn.Linear(64, 4)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, line: torch.Tensor) -> Any:
        hidden = torch.zeros(line.shape[1], 64)
        for letter in line:
            hidden = torch.tanh(self.i2h(letter) + self.h2h(hidden))
        return self.softmax(self.h2o(hidden))


@healthy("names to languages, one at a time, a recurrent network by hand", "network")
def _names(logdir: Path) -> Any:
    torch.manual_seed(25)
    model, criterion, rate = _Names(), nn.NLLLoss(), 0.005
    losses = []

    def name() -> tuple[torch.Tensor, torch.Tensor]:
        kind = torch.randint(4, (1,))
        letters = (torch.randint(0, 9, (int(torch.randint(4, 9, (1,))),)) + 6 * kind) % 30
        return fn.one_hot(letters, 30).float()[:, None], kind

    with fm.torch.watch(model, str(logdir), probe=name()[0], every=1) as watcher:
        for _ in range(400):
            line, kind = name()
            model.zero_grad()
            loss = criterion(model(line), kind)
            loss.backward()
            for parameter in model.parameters():
                parameter.data.add_(parameter.grad.data, alpha=-rate)
            watcher.step(loss.item())
            losses.append(loss.item())
    return float(np.mean(losses[-50:]))


class _Translator(nn.Module):
    def __init__(self, words: int = 32, width: int = 32) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(words, width), nn.Embedding(words, width)
        self.transformer = nn.Transformer(width, 4, 2, 2, 64, 0.1, batch_first=True)
        self.generator = nn.Linear(width, words)
        at = torch.arange(12)[:, None] * torch.exp(-torch.arange(0, width, 2) * math.log(1e4) / width)
        self.register_buffer("places", torch.stack([at.sin(), at.cos()], 2).flatten(1))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        x = self.source(source) * math.sqrt(32) + self.places[: source.shape[1]]
        y = self.target(target) * math.sqrt(32) + self.places[: target.shape[1]]
        return self.generator(self.transformer(x, y, tgt_mask=mask, tgt_is_causal=True))


@healthy("translation with nn.Transformer, smooth labels, padding ignored", "transformers")
def _translation(logdir: Path) -> Any:
    torch.manual_seed(26)
    source = torch.randint(3, 32, (512, 10))
    target = torch.cat([torch.ones(512, 1, dtype=torch.long), (source.flip(1) * 5 + 1) % 29 + 3], 1)
    target[::3, 8:] = 0
    model = _Translator()
    criterion = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, betas=(0.9, 0.98), eps=1e-9)
    loss = torch.zeros(())
    with fm.torch.watch(
        model, str(logdir), probe=[source[:8], target[:8, :-1]], loss_fn=criterion, optimizer=optimizer, every=1
    ) as watcher:
        for _ in range(120):
            chosen = torch.randint(512, (32,))
            optimizer.zero_grad()
            loss = criterion(model(source[chosen], target[chosen, :-1]).reshape(-1, 32), target[chosen, 1:].reshape(-1))
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = nn.EmbeddingBag(200, 64, sparse=False), nn.Linear(64, 2)
        self.embedding.weight.data.uniform_(-0.5, 0.5)
        self.fc.weight.data.uniform_(-0.5, 0.5)
        self.fc.bias.data.zero_()

    def forward(self, text: torch.Tensor, offsets: torch.Tensor) -> Any:
        return self.fc(self.embedding(text, offsets))


@healthy("news in bags with offsets, SGD with a rate of 5, gradients clipped to 0.1", "loop")
def _bags(logdir: Path) -> Any:
    torch.manual_seed(27)
    x, y = tensors(*sentences(1200))
    offsets = torch.arange(0, 16 * 24, 24)
    model, criterion = _Bags(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=5.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1.0, gamma=0.1)
    loss = torch.zeros(())
    with fm.torch.watch(
        model, str(logdir), probe=[x[:16].reshape(-1), offsets], loss_fn=criterion, optimizer=optimizer, every=1
    ) as watcher:
        for _ in range(3):
            for chosen in torch.randperm(1200).split(16):
                optimizer.zero_grad()
                loss = criterion(model(x[chosen].reshape(-1), offsets), y[chosen])
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()
                watcher.step(loss)
            scheduler.step()
    return loss.item()


class _Spatial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 10, 3), nn.Conv2d(10, 20, 3)
        self.drop, self.fc1, self.fc2 = nn.Dropout2d(), nn.Linear(20 * 4, 50), nn.Linear(50, 10)
        self.localization = nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2, 2), nn.ReLU(True), nn.Conv2d(8, 10, 3), nn.ReLU(True))
        self.fc_loc = nn.Sequential(nn.Linear(10 * 25, 32), nn.ReLU(True), nn.Linear(32, 6))
        self.fc_loc[2].weight.data.zero_()
        self.fc_loc[2].bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def forward(self, x: torch.Tensor) -> Any:
        theta = self.fc_loc(self.localization(x).flatten(1)).view(-1, 2, 3)
        x = fn.grid_sample(x, fn.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
        x = fn.relu(fn.max_pool2d(self.conv1(x), 2))
        x = fn.relu(fn.max_pool2d(self.drop(self.conv2(x)), 2))
        x = fn.dropout(fn.relu(self.fc1(x.flatten(1))), training=self.training)
        return fn.log_softmax(self.fc2(x), dim=1)


@healthy("spatial transformer that starts as the identity", "network")
def _spatial(logdir: Path) -> Any:
    torch.manual_seed(28)
    x, y = digit_tensors(size=16)
    model = _Spatial()
    optimizer, loss = torch.optim.SGD(model.parameters(), 0.05), torch.zeros(())
    loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
    with watched(model, logdir, x, y, loss_fn=fn.nll_loss) as watcher:
        for _ in range(5):
            model.train()
            for data, target in loader:
                optimizer.zero_grad()
                loss = fn.nll_loss(model(data), target)
                loss.backward()
                optimizer.step()
                watcher.step(loss)
    return loss.item()


@healthy("pairs of digits, alike or not, a sigmoid and BCELoss, Adadelta", "loss")
def _pairs(logdir: Path) -> Any:
    class Twin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
            self.fc = nn.Sequential(nn.Linear(512, 64), nn.ReLU(inplace=True), nn.Linear(64, 1))
            self.sigmoid = nn.Sigmoid()

        def forward(self, one: torch.Tensor, two: torch.Tensor) -> Any:
            return self.sigmoid(self.fc(torch.cat([self.body(one), self.body(two)], 1)))

    torch.manual_seed(29)
    x, y = digit_tensors()
    model, criterion = Twin(), nn.BCELoss()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=40, gamma=0.7)
    loss = torch.zeros(())
    with fm.torch.watch(model, str(logdir), probe=[x[:16], x[16:32]], loss_fn=criterion, optimizer=optimizer, every=1) as watcher:
        for _ in range(120):
            a, b = torch.randint(300, (64,)), torch.randint(300, (64,))
            for at in range(0, 64, 2):
                b[at] = next(other for other in torch.randperm(300) if y[other] == y[a[at]])
            optimizer.zero_grad()
            loss = criterion(model(x[a], x[b]).squeeze(), (y[a] == y[b]).float())
            loss.backward()
            optimizer.step()
            scheduler.step()
            watcher.step(loss)
    return loss.item()


@healthy("forward-forward: each layer has a loss and an optimizer of its own", "loop")
def _forward_forward(logdir: Path) -> Any:
    torch.manual_seed(30)
    x, y = digit_tensors(flat=True)
    model = nn.Sequential(nn.Linear(74, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    optimizers = [torch.optim.Adam(model[at].parameters(), 0.01) for at in (0, 2)]
    total = 0.0

    def marked(labels: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        return torch.cat([pictures, 3.0 * fn.one_hot(labels, 10)], 1)

    with fm.torch.watch(model, str(logdir), probe=marked(y[:32], x[:32]), every=1) as watcher:
        for _ in range(80):
            at = torch.randint(len(x), (64,))
            right, wrong = marked(y[at], x[at]), marked((y[at] + torch.randint(1, 10, (64,))) % 10, x[at])
            total = 0.0
            for layer, optimizer in zip((model[0], model[2]), optimizers, strict=True):
                right, wrong = (fn.normalize(part) * 8 for part in (right, wrong))
                good, bad = fn.relu(layer(right)), fn.relu(layer(wrong))
                loss = fn.softplus(torch.cat([2 - good.pow(2).mean(1), bad.pow(2).mean(1) - 2])).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                right, wrong = good.detach(), bad.detach()
                total += loss.item()
            watcher.step(total)
    return total


@healthy("adversarial pictures (FGSM) mixed into the batches", "loop")
def _adversarial(logdir: Path) -> Any:
    torch.manual_seed(31)
    x, y = digit_tensors()
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), dense(256, 32, 10))
    optimizer, loss = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9), torch.zeros(())
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (32,))
            data = x[at].clone().requires_grad_()
            optimizer.zero_grad()
            fn.cross_entropy(model(data), y[at]).backward()
            attacked = (data + 0.1 * data.grad.sign()).detach()
            optimizer.zero_grad()
            loss = (fn.cross_entropy(model(x[at]), y[at]) + fn.cross_entropy(model(attacked), y[at])) / 2
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()
