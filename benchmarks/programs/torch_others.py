"""Healthy programs on tables and points, with several networks or with losses of their own, in PyTorch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn
from torch.utils.data import DataLoader

import tb_featuremap_plugin as fm
from benchmarks.programs.data import table
from benchmarks.programs.loops import Apply, dense, digit_tensors, fit, small_conv, tensors, watched
from benchmarks.programs.program import healthy


@healthy("regression of skewed targets with absolute error", "loss")
def _absolute(logdir: Path) -> Any:
    torch.manual_seed(0)
    x, z = tensors(*table())
    model = dense(10, 32, 32, 1)
    return fit(model, x, torch.exp(z / 2), nn.L1Loss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("few positives among many, pos_weight", "loss")
def _rare(logdir: Path) -> Any:
    torch.manual_seed(1)
    x, z = tensors(*table(1200))
    y = (z > 1.8).float()
    model = dense(10, 32, 1)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([10.0]))
    return fit(model, x, y, loss, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), logdir)


@healthy("few positives among many, plain loss, AdamW", "loss")
def _imbalanced(logdir: Path) -> Any:
    torch.manual_seed(2)
    x, z = tensors(*table(1200))
    y = (z[:, 0] > 1.5).long() + (z[:, 0] > 2.2).long()
    model = dense(10, 32, 32, 3, hidden=nn.SiLU)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), 5e-3), logdir)


class _Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, 40), nn.Linear(40, 6), nn.Linear(40, 6)
        self.fc3, self.fc4 = nn.Linear(6, 40), nn.Linear(40, 64)

    def forward(self, x: torch.Tensor) -> Any:
        h = fn.relu(self.fc1(x))
        mean, spread = self.fc21(h), self.fc22(h)
        z = mean + torch.randn_like(mean) * torch.exp(spread / 2)
        return torch.sigmoid(self.fc4(fn.relu(self.fc3(z)))), mean, spread


@healthy("variational autoencoder, summed losses", "loss")
def _vae(logdir: Path) -> Any:
    torch.manual_seed(6)
    x, _ = digit_tensors(flat=True)
    x = (x - x.min()) / (x.max() - x.min())
    model, loss = _Vae(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with watched(model, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(100):
            batch = x[torch.randint(len(x), (64,))]
            made, mean, spread = model(batch)
            loss = fn.binary_cross_entropy(made, batch, reduction="sum") - 0.5 * torch.sum(1 + spread - mean**2 - spread.exp())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Flow(nn.Module):
    """Two coupling layers of a normalising flow; gives minus the log density of each point."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList([dense(1, 32, 2, hidden=nn.Tanh) for _ in range(4)])

    def forward(self, x: torch.Tensor) -> Any:
        log_det = torch.zeros(len(x))
        for at, net in enumerate(self.nets):
            kept, moved = (x[:, :1], x[:, 1:]) if at % 2 else (x[:, 1:], x[:, :1])
            scale, shift = net(kept).chunk(2, 1)
            scale = torch.tanh(scale)
            moved = moved * scale.exp() + shift
            log_det = log_det + scale[:, 0]
            x = torch.cat([kept, moved], 1) if at % 2 else torch.cat([moved, kept], 1)
        return 0.5 * (x**2).sum(1) + math.log(2 * math.pi) - log_det


@healthy("normalising flow, whose loss falls below zero", "loss")
def _flow(logdir: Path) -> Any:
    torch.manual_seed(7)
    x = torch.randn(800, 1)
    points = torch.cat([x, x**2 * 0.2 + 0.05 * torch.randn(800, 1)], 1) * 0.3
    model = _Flow()
    return fit(
        model,
        points,
        torch.zeros(800),
        lambda out, _: out.mean(),
        torch.optim.Adam(model.parameters(), 5e-3),
        logdir,
        steps=150,
        told=False,
    )


@healthy("siamese network, triplet loss", "loss")
def _siamese(logdir: Path) -> Any:
    torch.manual_seed(8)
    x, y = digit_tensors(flat=True)
    model, loss = dense(64, 64, 16), torch.zeros(())
    optimizer, loss_fn = torch.optim.Adam(model.parameters(), 1e-3), nn.TripletMarginLoss()
    with watched(model, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(100):
            anchor = torch.randint(len(x), (32,))
            same = torch.stack([torch.nonzero(y == kind)[torch.randint(100, ())][0] for kind in y[anchor]])
            other = torch.randint(len(x), (32,))
            loss = loss_fn(model(x[anchor]), model(x[same]), model(x[other]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("contrast of two noisy views, no labels", "loss")
def _contrast(logdir: Path) -> Any:
    torch.manual_seed(9)
    x, _ = digit_tensors()
    model = nn.Sequential(*list(small_conv(norm=True))[:-1], nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 16))
    optimizer, loss = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), torch.zeros(())
    with watched(model, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(100):
            batch = x[torch.randint(len(x), (64,))]
            views = torch.cat([batch + 0.3 * torch.randn_like(batch), batch + 0.3 * torch.randn_like(batch)])
            z = fn.normalize(model(views), dim=1)
            scores = (z @ z.T / 0.2).masked_fill(torch.eye(128, dtype=torch.bool), -1e9)
            loss = fn.cross_entropy(scores, torch.arange(128).roll(64))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("distillation with a function of the user's called cross_entropy", "loss")
def _distilled(logdir: Path) -> Any:
    def cross_entropy(scores: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        return -(fn.softmax(teacher / 4, 1) * fn.log_softmax(scores / 4, 1)).sum(1).mean() * 16 + fn.cross_entropy(
            scores, teacher.argmax(1)
        )

    torch.manual_seed(10)
    x, y = digit_tensors(flat=True)
    teacher = 8 * fn.one_hot(y, 10) + torch.randn(len(y), 10)
    model = dense(64, 32, 10)
    return fit(model, x, teacher, cross_entropy, torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("mixup of pictures and labels", "loss")
def _mixup(logdir: Path) -> Any:
    torch.manual_seed(11)
    x, y = digit_tensors()
    kinds, order = fn.one_hot(y, 10).float(), torch.randperm(len(x))
    share = torch.rand(len(x), 1)
    model = small_conv(norm=True)
    mixed = share[..., None, None] * x + (1 - share[..., None, None]) * x[order]
    labels = share * kinds + (1 - share) * kinds[order]
    return fit(model, mixed, labels, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), logdir)


@healthy("half precision with float32 weights (autocast)", "loop")
def _autocast(logdir: Path) -> Any:
    torch.manual_seed(12)
    x, y = digit_tensors(flat=True)
    model, loss = dense(64, 64, 64, 10, hidden=nn.GELU), torch.zeros(())
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(100):
            chosen = torch.randint(len(x), (32,))
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16):
                loss = fn.cross_entropy(model(x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("gradients accumulated over four batches, step at each fourth", "loop")
def _accumulated(logdir: Path) -> Any:
    torch.manual_seed(13)
    x, y = digit_tensors(flat=True)
    model, loss = dense(64, 64, 10), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for at in range(320):
            chosen = torch.randint(len(x), (8,))
            loss = fn.cross_entropy(model(x[chosen]), y[chosen])
            (loss / 4).backward()
            if at % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
                watcher.step(loss)
    return loss.item()


@healthy("denoising of noise by a diffusion model", "loss")
def _diffusion(logdir: Path) -> Any:
    class Denoiser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time, self.body = nn.Embedding(50, 16), dense(18, 64, 64, 2, hidden=nn.SiLU)

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> Any:
            return self.body(torch.cat([x, self.time(t)], 1))

    torch.manual_seed(14)
    angle = torch.rand(800) * 6.28
    points = torch.stack([angle.cos(), angle.sin()], 1)
    kept = torch.cumprod(1 - torch.linspace(1e-3, 0.1, 50), 0)
    model, loss = Denoiser(), torch.zeros(())
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    probe = [points[:32], torch.randint(50, (32,))]
    from tb_featuremap_plugin.integrations.torch import watch

    with watch(model, str(logdir), probe=probe, every=1, optimizer=optimizer) as watcher:
        for _ in range(120):
            t, noise = torch.randint(50, (64,)), torch.randn(64, 2)
            batch = points[torch.randint(800, (64,))]
            made = model(kept[t, None].sqrt() * batch + (1 - kept[t, None]).sqrt() * noise, t)
            loss = fn.mse_loss(made, noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("actor and critic, two heads, losses that go up and down", "loss")
def _actor(logdir: Path) -> Any:
    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.affine, self.action_head, self.value_head = nn.Linear(4, 64), nn.Linear(64, 2), nn.Linear(64, 1)

        def forward(self, x: torch.Tensor) -> Any:
            x = fn.relu(self.affine(x))
            return fn.softmax(self.action_head(x), dim=-1), self.value_head(x)

    torch.manual_seed(15)
    model, loss = Policy(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    with watched(model, logdir, torch.randn(32, 4), optimizer=optimizer) as watcher:
        for _ in range(100):
            state = torch.randn(32, 4)
            chance, value = model(state)
            action = torch.multinomial(chance, 1)[:, 0]
            reward = torch.where(action == (state[:, 0] > 0).long(), 1.0, -1.0)
            gain = reward - value[:, 0].detach()
            loss = -(chance[torch.arange(32), action].log() * gain).mean() + fn.smooth_l1_loss(value[:, 0], reward)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("tanh network for a function, momentum", "network")
def _tanh(logdir: Path) -> Any:
    torch.manual_seed(16)
    x, z = tensors(*table(features=3))
    model = dense(3, 24, 24, 1, hidden=nn.Tanh)
    return fit(model, x, z, nn.MSELoss(), torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), logdir, steps=150)


@healthy("targets and outputs of one axis, huber loss", "loss")
def _one_axis(logdir: Path) -> Any:
    torch.manual_seed(17)
    x, z = tensors(*table())
    model = nn.Sequential(dense(10, 32, 1), Apply(lambda out: out.squeeze(-1)))
    return fit(model, x, z[:, 0], nn.HuberLoss(), torch.optim.RMSprop(model.parameters(), 2e-3), logdir)


@healthy("graph convolutions, log_softmax over nodes", "network")
def _graph(logdir: Path) -> Any:
    class Gcn(nn.Module):
        def __init__(self, adjacency: torch.Tensor) -> None:
            super().__init__()
            self.register_buffer("adjacency", adjacency)
            self.gc1, self.gc2 = nn.Linear(16, 16), nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> Any:
            x = fn.dropout(fn.relu(self.adjacency @ self.gc1(x)), 0.5, self.training)
            return fn.log_softmax(self.adjacency @ self.gc2(x), dim=1)

    torch.manual_seed(18)
    kind = torch.randint(4, (200,))
    linked = ((kind[:, None] == kind) & (torch.rand(200, 200) < 0.05)) | (torch.rand(200, 200) < 0.005) | torch.eye(200, dtype=torch.bool)
    adjacency = linked.float() / linked.float().sum(1, keepdim=True)
    x = torch.randn(200, 16) + fn.one_hot(kind, 16).float()
    model, loss = Gcn(adjacency), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 0.01, weight_decay=5e-4)
    from tb_featuremap_plugin.integrations.torch import watch

    with watch(model, str(logdir), probe=(x, kind), every=1, loss_fn=fn.nll_loss, optimizer=optimizer) as watcher:
        for _ in range(120):
            optimizer.zero_grad()
            loss = fn.nll_loss(model(x)[:100], kind[:100])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("polynomial of degree 4, one layer, weights moved by hand", "loop")
def _polynomial(logdir: Path) -> Any:
    torch.manual_seed(20)
    truth = torch.randn(4, 1) * 5
    model, loss = nn.Linear(4, 1), torch.zeros(())

    def batch() -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.cat([torch.randn(32, 1) ** at for at in range(1, 5)], 1)
        return x, x @ truth + 1.5

    with fm.torch.watch(model, str(logdir), probe=batch(), every=1) as watcher:
        for _ in range(300):
            x, y = batch()
            model.zero_grad()
            loss = fn.smooth_l1_loss(model(x), y)
            loss.backward()
            for parameter in model.parameters():
                parameter.data.add_(-0.1 * parameter.grad)
            watcher.step(loss)
    return loss.item()


@healthy("several labels a picture, weights averaged at the end", "loss")
def _several(logdir: Path) -> Any:
    torch.manual_seed(54)
    x, y = digit_tensors()
    labels = torch.stack([y % 2 == 0, y > 4, y % 3 == 0, y == 8], 1).float()
    model, criterion, loss = small_conv(4, norm=True), nn.BCEWithLogitsLoss(), torch.zeros(())
    mean = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)
    with watched(model, logdir, x, labels, loss_fn=criterion, optimizer=optimizer) as watcher:
        for step in range(150):
            at = torch.randint(len(x), (32,))
            optimizer.zero_grad()
            loss = criterion(model(x[at]), labels[at])
            loss.backward()
            optimizer.step()
            if step > 100:
                mean.update_parameters(model)
            watcher.step(loss)
    torch.optim.swa_utils.update_bn(DataLoader(x, 64), mean)
    return loss.item()
