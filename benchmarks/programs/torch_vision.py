"""Healthy programs on pictures, in PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.data import photos
from benchmarks.programs.loops import digit_tensors, fit, small_conv, tensors, warm_up, watched
from benchmarks.programs.program import healthy


class _Mnist(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(128, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = fn.relu(self.conv2(fn.relu(self.conv1(x))))
        x = self.dropout1(fn.max_pool2d(x, 2))
        x = self.dropout2(fn.relu(self.fc1(torch.flatten(x, 1))))
        return fn.log_softmax(self.fc2(x), dim=1)


@healthy("digits, log_softmax and fn.nll_loss, Adadelta", "loss")
def _mnist(logdir: Path) -> Any:
    torch.manual_seed(0)
    model = _Mnist()
    return fit(model, *digit_tensors(), fn.nll_loss, torch.optim.Adadelta(model.parameters(), 1.0), logdir)


@healthy("digits, LogSoftmax and NLLLoss with class weights, momentum", "loss")
def _nll_module(logdir: Path) -> Any:
    torch.manual_seed(1)
    x, y = digit_tensors(flat=True)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.LogSoftmax(dim=1))
    loss = nn.NLLLoss(weight=torch.linspace(0.5, 2, 10))
    return fit(model, x, y, loss, torch.optim.SGD(model.parameters(), 0.05, momentum=0.9), logdir)


@healthy("pixels divided by 255 in forward, Adam", "data")
def _divided(logdir: Path) -> Any:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
            self.fc = nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.fc(self.body(x / 255.0).flatten(1))

    torch.manual_seed(2)
    pictures, classes = tensors(*photos())
    model = Net()
    return fit(model, pictures.permute(0, 3, 1, 2), classes, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("mean and spread of the pixels as buffers, RMSprop", "data")
def _buffers(logdir: Path) -> Any:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.full((1, 3, 1, 1), 115.0))
            self.register_buffer("spread", torch.full((1, 3, 1, 1), 50.0))
            self.stem, self.fc = nn.Conv2d(3, 16, 5, 2), nn.Linear(16, 5)

        def forward(self, x: torch.Tensor) -> Any:
            return self.fc(fn.relu(self.stem((x - self.mean) / self.spread)).mean((2, 3)))

    torch.manual_seed(3)
    pictures, classes = tensors(*photos())
    model = Net()
    return fit(model, pictures.permute(0, 3, 1, 2), classes, nn.CrossEntropyLoss(), torch.optim.RMSprop(model.parameters(), 2e-3), logdir)


class _Gated(nn.Module):
    """An inverted residual block with squeeze and excitation, as in MobileNetV3 and EfficientNet."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        slow = {"momentum": 0.01, "eps": 1e-3}
        self.expand = nn.Sequential(nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide, **slow), nn.Hardswish())
        self.depth = nn.Sequential(
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide, **slow), nn.Hardswish()
        )
        self.reduce, self.gate = nn.Conv2d(wide, wide // 4, 1), nn.Conv2d(wide // 4, wide, 1)
        self.project = nn.Sequential(nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels, **slow))

    def forward(self, x: torch.Tensor) -> Any:
        inner = self.depth(self.expand(x))
        scale = fn.hardsigmoid(self.gate(fn.relu(self.reduce(inner.mean((2, 3), keepdim=True)))))
        return x + self.project(inner * scale)


@healthy("squeeze and excitation, slow moving statistics, RMSprop", "network")
def _mobile(logdir: Path) -> Any:
    torch.manual_seed(4)
    stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16, momentum=0.01, eps=1e-3), nn.Hardswish())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 32), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(32, 10))
    model = nn.Sequential(stem, _Gated(16, 48), _Gated(16, 48), _Gated(16, 48), head)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(label_smoothing=0.1), torch.optim.RMSprop(model.parameters(), 2e-3), logdir)


class _Basic(nn.Module):
    def __init__(self, channels: int, *, zero: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        if zero:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return fn.relu(x + self.bn2(self.conv2(fn.relu(self.bn1(self.conv1(x))))))


@healthy("residual network with momentum 0.9, decay and a high rate", "network")
def _resnet(logdir: Path) -> Any:
    torch.manual_seed(5)
    stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    model = nn.Sequential(stem, *[_Basic(16, zero=True) for _ in range(4)], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), optimizer, logdir, scheduler=scheduler)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 1e-4))

    def forward(self, x: torch.Tensor) -> Any:
        y = self.norm1(x)
        x = x + self.gamma * self.attn(y, y, y, need_weights=False)[0]
        return x + self.gamma * self.fc2(fn.gelu(self.fc1(self.norm2(x))))


@healthy("vision transformer with a class token, AdamW and warm-up", "transformers")
def _vit(logdir: Path) -> Any:
    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch_embed = nn.Conv2d(1, 32, 2, 2)
            self.cls_token = nn.Parameter(torch.randn(1, 1, 32) * 1e-6)
            self.pos_embed = nn.Parameter(torch.randn(1, 17, 32) * 0.02)
            self.blocks = nn.Sequential(*[_Block(32) for _ in range(3)])
            self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)
            nn.init.zeros_(self.head.weight)

        def forward(self, x: torch.Tensor) -> Any:
            x = self.patch_embed(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
            return self.head(self.norm(self.blocks(x))[:, 0])

    torch.manual_seed(6)
    model = ViT()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.05)
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), optimizer, logdir, scheduler=warm_up(optimizer, 30, 160), steps=160)


class _Grn(nn.Module):
    """Global response normalisation, whose gain starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels)), nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.norm(dim=(1, 2), keepdim=True)
        return x + self.gamma * (x * size / (size.mean(-1, keepdim=True) + 1e-6)) + self.beta


@healthy("ConvNeXt blocks with response normalisation and layer scale", "network")
def _convnext(logdir: Path) -> Any:
    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.dw, self.norm = nn.Conv2d(width, width, 3, padding=1, groups=width), nn.LayerNorm(width)
            self.fc1, self.grn, self.fc2 = nn.Linear(width, 2 * width), _Grn(2 * width), nn.Linear(2 * width, width)
            self.layer_scale = nn.Parameter(1e-6 * torch.ones(width))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.fc2(self.grn(fn.gelu(self.fc1(self.norm(self.dw(x).permute(0, 2, 3, 1))))))
            return x + (self.layer_scale * y).permute(0, 3, 1, 2)

    torch.manual_seed(7)
    model = nn.Sequential(nn.Conv2d(1, 24, 2, 2), Block(24), Block(24), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10))
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), 4e-3), logdir)


class _UNet(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.down1, self.down2 = self._twice(1, 16), self._twice(16, 32)
        self.middle, self.up = self._twice(32, 32), nn.ConvTranspose2d(32, 16, 2, 2)
        self.last, self.head = self._twice(48, 16), nn.Conv2d(16, outputs, 1)

    @staticmethod
    def _twice(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True))

    def forward(self, x: torch.Tensor) -> Any:
        a = self.down1(x)
        b = self.middle(self.down2(fn.max_pool2d(a, 2)))
        return self.head(self.last(torch.cat([fn.interpolate(b, scale_factor=2.0), self.up(b)], 1)))


@healthy("U-Net with ignore_index 255 at the edges", "loss")
def _segmentation(logdir: Path) -> Any:
    torch.manual_seed(8)
    x, y = digit_tensors()
    target = torch.where(x[:, 0] > 0, y[:, None, None] % 3 + 1, 0)
    target[:, :1] = 255
    model = _UNet(4)
    return fit(model, x, target, nn.CrossEntropyLoss(ignore_index=255), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("U-Net for a rare mask, cross-entropy and overlap", "loss")
def _mask(logdir: Path) -> Any:
    def loss_fn(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        chance = scores.sigmoid()
        overlap = (2 * (chance * mask).sum() + 1) / (chance.sum() + mask.sum() + 1)
        return fn.binary_cross_entropy_with_logits(scores, mask) + 1 - overlap

    torch.manual_seed(9)
    x, _ = digit_tensors()
    model = _UNet(1)
    return fit(model, x, (x > 1.6).float(), loss_fn, torch.optim.RMSprop(model.parameters(), 1e-3), logdir)


@healthy("detector: class scores of many empty anchors, boxes, losses summed by hand", "loss")
def _detector(logdir: Path) -> Any:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())
            self.cls_head, self.box_head = nn.Conv2d(16, 10, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
            for head in (self.cls_head, self.box_head):
                nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(self.cls_head.bias, -4.6)

        def forward(self, x: torch.Tensor) -> Any:
            x = self.body(x)
            return {"scores": self.cls_head(x), "boxes": self.box_head(x)}

    torch.manual_seed(10)
    x, y = digit_tensors()
    model = Detector()
    optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    loss = torch.zeros(())
    with watched(model, logdir, x, optimizer=optimizer) as watcher:
        for _ in range(120):
            chosen = torch.randint(len(x), (32,))
            out = model(x[chosen])
            wanted = torch.zeros_like(out["scores"])
            wanted[torch.arange(32), y[chosen], 2, 2] = 1
            error = fn.binary_cross_entropy_with_logits(out["scores"], wanted, reduction="none")
            focal = ((wanted - out["scores"].sigmoid()).abs() ** 2 * error).sum() / 32
            loss = focal + fn.smooth_l1_loss(out["boxes"][:, :, 2, 2], x[chosen][:, 0, :2, :2].flatten(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watcher.step(loss)
    return loss.item()


@healthy("mean teacher inside the watched model", "loop")
def _teacher(logdir: Path) -> Any:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = small_conv()
            self.teacher = copy.deepcopy(self.student).requires_grad_(False)

        def forward(self, x: torch.Tensor) -> Any:
            return self.student(x)

    torch.manual_seed(11)
    x, y = digit_tensors()
    model, loss = Both(), torch.zeros(())
    optimizer = torch.optim.Adam(model.student.parameters(), 2e-3)
    with watched(model, logdir, x, y, loss_fn=nn.CrossEntropyLoss(), optimizer=optimizer) as watcher:
        for _ in range(80):
            chosen = torch.randint(len(x), (32,))
            out = model(x[chosen])
            loss = fn.cross_entropy(out, y[chosen]) + fn.mse_loss(out.softmax(1), model.teacher(x[chosen]).softmax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for slow, fast in zip(model.teacher.parameters(), model.student.parameters(), strict=True):
                    slow.lerp_(fast, 0.05)
            watcher.step(loss)
    return loss.item()


@healthy("autoencoder of pictures with a sigmoid, squared error", "loss")
def _autoencoder(logdir: Path) -> Any:
    torch.manual_seed(12)
    x, _ = digit_tensors()
    x = (x - x.min()) / (x.max() - x.min())
    encoder = nn.Sequential(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 8, 3, 2, 1), nn.ReLU())
    decoder = nn.Sequential(nn.ConvTranspose2d(8, 16, 2, 2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, 2), nn.Sigmoid())
    model = nn.Sequential(encoder, decoder)
    return fit(model, x, x, nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("resumed: weights that have learnt, a new logdir, Adam", "loop")
def _resumed(logdir: Path) -> Any:
    torch.manual_seed(13)
    x, y = digit_tensors()
    model = small_conv(norm=True)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        chosen = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        fn.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@healthy("fine-tuned: frozen body, new head, plain SGD", "loop")
def _fine_tuned(logdir: Path) -> Any:
    torch.manual_seed(14)
    x, y = digit_tensors()
    model = small_conv(norm=True)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(120):
        chosen = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        fn.cross_entropy(model(x[chosen]), y[chosen] // 2).backward()
        optimizer.step()
    model.requires_grad_(False)
    model[-1] = nn.Linear(128, 10)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model[-1].parameters(), 0.03, momentum=0.9), logdir)
