"""Healthy trainings of small networks built as the well-known ones are, in PyTorch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

import tb_featuremap_plugin as fm
from benchmarks.programs.data import photos
from benchmarks.programs.loops import Apply, dense, digit_tensors, fit, tensors, warm_up, watched
from benchmarks.programs.program import healthy


class _Windows(nn.Module):
    """Attention in windows of 2x2 tokens that are shifted, with a table of relative positions, as in Swin."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        self.shift, self.heads = shift, 2
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        at = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij")).flatten(1)
        apart = (at[:, :, None] - at[:, None]) + 1
        self.register_buffer("index", apart[0] * 3 + apart[1])
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> Any:
        n, h, w, c = x.shape
        y = torch.roll(self.norm1(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(n, h // 2, 2, w // 2, 2, c).transpose(2, 3).reshape(-1, 4, c)
        q, k, v = self.qkv(y).view(-1, 4, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / math.sqrt(c // self.heads)
        scores = scores + self.relative_position_bias_table[self.index].permute(2, 0, 1)
        y = self.proj((scores.softmax(3) @ v).transpose(1, 2).reshape(-1, 4, c))
        y = y.view(n, h // 2, w // 2, 2, 2, c).transpose(2, 3).reshape(n, h, w, c)
        x = x + torch.roll(y, (self.shift, self.shift), (1, 2))
        return x + self.mlp(self.norm2(x))


class _Swin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(1, 24, 2, 2), nn.LayerNorm(24)
        self.blocks = nn.ModuleList([_Windows(24, at % 2) for at in range(4)])
        self.reduction, self.head = nn.Linear(96, 48, bias=False), nn.Linear(48, 10)
        self.apply(self._start)

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.norm(self.patch(x).permute(0, 2, 3, 1))
        for block in self.blocks:
            x = block(x)
        n, h, w, c = x.shape
        x = self.reduction(x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, -1, 4 * c))
        return self.head(x.mean(1))


@healthy("Swin: shifted windows, relative positions, AdamW, warm-up", "transformers")
def _swin(logdir: Path) -> Any:
    torch.manual_seed(60)
    x, y = digit_tensors()
    model = _Swin()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.05)
    return fit(model, x, y, nn.CrossEntropyLoss(label_smoothing=0.1), optimizer, logdir, scheduler=warm_up(optimizer), clip=5.0)


class _Depth(nn.Module):
    """A block of EfficientNet, left out now and then."""

    def __init__(self, channels: int, kept: float) -> None:
        super().__init__()
        wide, self.kept = 4 * channels, kept
        self.expand, self.bn0 = nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.depthwise, self.bn1 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide)
        self.fc1, self.fc2 = nn.Conv2d(wide, channels // 2, 1), nn.Conv2d(channels // 2, wide, 1)
        self.project, self.bn2 = nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> Any:
        h = fn.silu(self.bn1(self.depthwise(fn.silu(self.bn0(self.expand(x))))))
        h = h * self.fc2(fn.silu(self.fc1(fn.adaptive_avg_pool2d(h, 1)))).sigmoid()
        h = self.bn2(self.project(h))
        if self.training:
            h = h * (torch.rand(len(x), 1, 1, 1) < self.kept) / self.kept
        return x + h


@healthy("EfficientNet: SiLU, gates, stochastic depth, RMSprop with momentum", "network")
def _efficient(logdir: Path) -> Any:
    torch.manual_seed(61)
    stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
    model = nn.Sequential(stem, *[_Depth(16, 1 - 0.1 * at) for at in range(4)], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    optimizer = torch.optim.RMSprop(model.parameters(), 1e-3, alpha=0.9, momentum=0.9, eps=1e-3, weight_decay=1e-5)
    return fit(
        model, *digit_tensors(), nn.CrossEntropyLoss(), optimizer, logdir, scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    )


class _Dense(nn.Module):
    def __init__(self, channels: int, growth: int = 8) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        return torch.cat([x, self.conv2(fn.relu(self.norm2(self.conv1(fn.relu(self.norm1(x))))))], 1)


@healthy("DenseNet: all that came before is joined, SGD 0.1 with Nesterov", "network")
def _densenet(logdir: Path) -> Any:
    torch.manual_seed(62)
    body = [nn.Conv2d(1, 16, 3, padding=1, bias=False), *[_Dense(16 + 8 * at) for at in range(3)], nn.BatchNorm2d(40), nn.ReLU()]
    middle = [nn.Conv2d(40, 20, 1, bias=False), nn.AvgPool2d(2), *[_Dense(20 + 8 * at) for at in range(3)], nn.BatchNorm2d(44), nn.ReLU()]
    model = nn.Sequential(*body, *middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(44, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), optimizer, logdir, batch=64)


class _Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.one, self.three, self.five = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 3, padding=1), nn.Conv2d(16, 8, 5, padding=2)
        self.pool, self.after = nn.Conv2d(16, 8, 1), nn.Conv2d(32, 32, 3, 2)
        self.aux, self.fc = nn.Linear(32, 10), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> Any:
        x = fn.relu(self.stem(x))
        parts = [self.one(x), self.three(x), self.five(x), self.pool(fn.max_pool2d(x, 3, 1, 1))]
        x = fn.relu(torch.cat(parts, 1))
        aux = self.aux(x.mean((2, 3)))
        out = self.fc(fn.dropout(fn.relu(self.after(x)).mean((2, 3)), 0.4, self.training))
        return (out, aux) if self.training else out


@healthy("Inception: branches, a head beside that exists in training alone", "network")
def _branches(logdir: Path) -> Any:
    torch.manual_seed(63)
    x, y = digit_tensors()
    model, criterion, loss = _Inception(), nn.CrossEntropyLoss(), torch.zeros(())
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    with watched(model, logdir, x, y, loss_fn=criterion, optimizer=optimizer) as watcher:
        for _ in range(150):
            at = torch.randint(len(x), (32,))
            optimizer.zero_grad()
            out, aux = model(x[at])
            loss = criterion(out, y[at]) + 0.4 * criterion(aux, y[at])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Pyramid(nn.Module):
    """RetinaNet's heads: class scores whose bias says that an object is rare."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 2, 1)
        self.lateral1, self.lateral2 = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.cls_tower, self.box_tower = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.cls_score, self.bbox_pred = nn.Conv2d(16, 3, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
        for layer in (self.cls_tower, self.box_tower, self.cls_score, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls_score.bias, -math.log(99))

    def forward(self, x: torch.Tensor) -> Any:
        c1 = fn.relu(self.c1(x))
        c2 = fn.relu(self.c2(c1))
        p2 = self.lateral2(c2)
        p1 = self.lateral1(c1) + fn.interpolate(p2, scale_factor=2)
        levels = [(self.cls_score(fn.relu(self.cls_tower(p))), self.bbox_pred(fn.relu(self.box_tower(p)))) for p in (p1, p2)]
        return [torch.cat([part.flatten(2).transpose(1, 2) for part in parts], 1) for parts in zip(*levels, strict=True)]


@healthy("RetinaNet: focal loss, scores that start at one in a hundred, heads shared by levels", "loss")
def _retina(logdir: Path) -> Any:
    torch.manual_seed(64)
    pictures, _ = tensors(*photos(256))
    pictures = pictures.permute(0, 3, 1, 2) / 255 - 0.45
    places = torch.randint(0, 144, (256,))
    kinds = torch.zeros(256, 180, 3)
    kinds[torch.arange(256), places, torch.randint(0, 3, (256,))] = 1
    for at, place in enumerate(places):
        row, column = divmod(int(place), 12)
        pictures[at, int(kinds[at, place].argmax()), 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 2
    boxes = torch.randn(256, 180, 4) * 0.2
    model = _Pyramid()
    optimizer, loss = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=1e-4), torch.zeros(())
    with watched(model, logdir, pictures, optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(256, (8,))
            optimizer.zero_grad()
            scores, moved = model(pictures[at])
            entropy = fn.binary_cross_entropy_with_logits(scores, kinds[at], reduction="none")
            right = torch.exp(-entropy)
            weight = torch.where(kinds[at] > 0, 0.25, 0.75)
            there = kinds[at].sum(2) > 0
            loss = (weight * (1 - right) ** 2 * entropy).sum() / 8 + fn.smooth_l1_loss(moved[there], boxes[at][there])
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


class _Masked(nn.Module):
    """A transformer that fills in the patches that it was not shown."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed, self.mask_token = nn.Linear(4, width), nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(width, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True), 2, enable_nested_tensor=False
        )
        self.norm, self.pred = nn.LayerNorm(width), nn.Linear(width, 4)

    def forward(self, patches: torch.Tensor, hidden: torch.Tensor) -> Any:
        x = torch.where(hidden[..., None], self.mask_token, self.embed(patches)) + self.pos_embed
        return self.pred(self.norm(self.encoder(x)))


@healthy("patches hidden and filled in, loss on the hidden ones, AdamW", "transformers")
def _hidden(logdir: Path) -> Any:
    torch.manual_seed(65)
    x, _ = digit_tensors()
    patches = x.unfold(2, 2, 2).unfold(3, 2, 2).reshape(-1, 16, 4)
    model, loss = _Masked(), torch.zeros(())
    optimizer = torch.optim.AdamW(model.parameters(), 1.5e-3, betas=(0.9, 0.95), weight_decay=0.05)
    scheduler = warm_up(optimizer, 20, 150)
    hidden = torch.rand(len(x), 16) < 0.5
    with fm.torch.watch(model, str(logdir), probe=[patches[:16], hidden[:16]], optimizer=optimizer, every=1) as watcher:
        for _ in range(150):
            at = torch.randint(len(x), (64,))
            hide = torch.rand(64, 16) < 0.5
            apart = (model(patches[at], hide) - patches[at]).pow(2).mean(2)
            loss = (apart * hide).sum() / hide.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            watcher.step(loss)
    return loss.item()


class _Experts(nn.Module):
    """Two of four experts for each sample, the others do not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.router = nn.Linear(64, 32), nn.Linear(32, 4, bias=False)
        self.experts, self.head = nn.ModuleList([dense(32, 64, 32, hidden=nn.GELU) for _ in range(4)]), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> Any:
        x = fn.gelu(self.stem(x))
        weights, chosen = self.router(x).softmax(1).topk(2, dim=1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == number)
            if len(rows):
                out = out.index_add(0, rows, expert(x[rows]) * weights[rows, place][:, None])
        return self.head(x + out)


@healthy("mixture of experts, each sample sent to two of four", "network")
def _experts(logdir: Path) -> Any:
    torch.manual_seed(66)
    model = _Experts()
    return fit(model, *digit_tensors(flat=True), nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), 2e-3), logdir, steps=120)


@healthy("rows of a digit as a sequence, two-way GRU, RMSprop, bfloat16", "network")
def _rows(logdir: Path) -> Any:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.fc = nn.GRU(8, 32, 2, batch_first=True, bidirectional=True, dropout=0.2), nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> Any:
            return self.fc(self.gru(x)[0][:, -1])

    torch.manual_seed(67)
    x, y = digit_tensors(flat=True)
    x = x.view(-1, 8, 8)
    model, loss = Rows(), torch.zeros(())
    optimizer = torch.optim.RMSprop(model.parameters(), 2e-3)
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(120):
            at = torch.randint(len(x), (32,))
            with torch.autocast("cpu", torch.bfloat16):
                loss = fn.cross_entropy(model(x[at]), y[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("critic whose weights are clipped, generator every fifth step, RMSprop", "gans")
def _clipped(logdir: Path) -> Any:
    torch.manual_seed(68)
    angle = torch.rand(800) * 2 * math.pi
    points = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(800, 2)
    made, judged = dense(4, 32, 32, 2), dense(2, 32, 32, 1, hidden=nn.LeakyReLU)
    of_made, of_judged = torch.optim.RMSprop(made.parameters(), 5e-4), torch.optim.RMSprop(judged.parameters(), 5e-4)
    loss = torch.zeros(())
    generator = fm.torch.watch(made, str(logdir / "generator"), probe=torch.randn(32, 4), optimizer=of_made, every=1)
    critic = fm.torch.watch(judged, str(logdir / "critic"), probe=points[:32], optimizer=of_judged, every=1)
    with generator, critic:
        for step in range(200):
            of_judged.zero_grad()
            loss = judged(made(torch.randn(64, 4)).detach()).mean() - judged(points[torch.randint(800, (64,))]).mean()
            loss.backward()
            of_judged.step()
            for parameter in judged.parameters():
                parameter.data.clamp_(-0.1, 0.1)
            critic.step(loss)
            if step % 5 == 4:
                of_made.zero_grad()
                fooled = -judged(made(torch.randn(64, 4))).mean()
                fooled.backward()
                of_made.step()
                generator.step(fooled)
    return loss.item()


@healthy("spoken words, one-dimensional convolutions on the waveform, decay", "network")
def _words(logdir: Path) -> Any:
    torch.manual_seed(32)
    kind, time = torch.randint(0, 6, (400,)), torch.linspace(0, 1, 800)
    tones = torch.sin(2 * math.pi * (20 + 12 * kind[:, None]) * time + 6.28 * torch.rand(400, 1)) * torch.rand(400, 1)
    x = (0.3 * tones + 0.02 * torch.randn(400, 800))[:, None]
    model = nn.Sequential(
        nn.Conv1d(1, 16, 40, stride=8), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(16, 32, 3), nn.BatchNorm1d(32), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 6), Apply(lambda h: fn.log_softmax(h, dim=1)),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 0.01, weight_decay=0.0001)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=60, gamma=0.1)
    loss = torch.zeros(())
    with watched(model, logdir, x, kind, loss_fn=fn.nll_loss, optimizer=optimizer) as watcher:
        for _ in range(100):
            at = torch.randint(400, (32,))
            loss = fn.nll_loss(model(x[at]), kind[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            watcher.step(loss)
    return loss.item()
