"""Networks of feature maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.torch_networks.registry import IMAGES, network


@network(IMAGES)
class ConvNeXt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.dw = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.n = nn.LayerNorm(8)
        self.f = nn.Linear(8, 32)
        self.act = nn.GELU()
        self.g = nn.Linear(32, 8)
        self.gamma = nn.Parameter(torch.ones(8))
        self.post = nn.ReLU()
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x)
        y = self.g(self.act(self.f(self.n(self.dw(x).permute(0, 2, 3, 1))))) * self.gamma
        x = self.post(x + y.permute(0, 3, 1, 2))
        return self.head(x.mean((2, 3)))


@network(IMAGES)
class SE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 16, 3)
        self.f1 = nn.Linear(16, 16)
        self.r = nn.ReLU()
        self.f2 = nn.Linear(16, 16)
        self.post = nn.ReLU()
        self.sig = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x)[:, :, :14, :14]
        y = self.sig(self.f2(self.r(self.f1(F.adaptive_avg_pool2d(x, 1).flatten(1)))))
        return self.post(x * y.view(*y.shape, 1, 1))


@network(IMAGES)
class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.d1 = nn.Conv2d(3, 6, 3, padding=1)
        self.d2 = nn.Conv2d(6, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 6, 2, 2)
        self.r = nn.ReLU()
        self.c = nn.Conv2d(12, 5, 3, padding=1)
        self.ups = nn.Upsample(scale_factor=2)

    def forward(self, x: torch.Tensor) -> Any:
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        return self.c(self.r(torch.cat([self.up(b), a], 1)))


@network(IMAGES)
class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3)
        self.r = nn.ReLU()
        self.g = nn.Conv2d(8, 8, 3, groups=2)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x)
        B, C, H, W = x.shape
        x = self.r(x.view(B, 2, C // 2, H, W).transpose(1, 2).reshape(B, C, H, W))
        a, b = x.chunk(2, 1)
        return self.g(torch.cat([b, a], 1))


@network(IMAGES)
class SubPixel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 16, 3, padding=1)
        self.ps = nn.PixelShuffle(2)
        self.r = nn.ReLU()
        self.o = nn.Conv2d(4, 3, 3)

    def forward(self, x: torch.Tensor) -> Any:
        return self.o(self.r(self.ps(self.c(x))))


@network(IMAGES)
class Anchors(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Conv2d(3, 8, 3, 2)
        self.b2 = nn.Conv2d(8, 8, 3, 2)
        self.cls = nn.Conv2d(8, 2 * 5, 3, padding=1)
        self.sig = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> Any:
        a = self.b(x)
        out = []
        for f in (a, self.b2(a)):
            y = self.cls(f)
            N, _, H, W = y.shape
            out.append(y.view(N, -1, 5, H, W).permute(0, 3, 4, 1, 2).reshape(N, -1, 5))
        return self.sig(torch.cat(out, 1))


@network((3, 8))
class VAEDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Linear(8, 4 * 5 * 5)
        self.u = nn.Unflatten(1, (4, 5, 5))
        self.r = nn.ReLU()
        self.bn = nn.BatchNorm2d(4)
        self.ct = nn.ConvTranspose2d(4, 3, 4, 2)
        self.t = nn.Tanh()

    def forward(self, z: torch.Tensor) -> Any:
        return self.t(self.ct(self.r(self.bn(self.u(self.f(z))))))


@network(IMAGES)
class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3, 2)
        self.fl = nn.Flatten()
        self.f = nn.Linear(4 * 49, 10)
        self.g = nn.Linear(10, 4 * 49)
        self.r = nn.ReLU()
        self.ct = nn.ConvTranspose2d(4, 3, 4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.r(self.g(self.f(self.fl(self.c(x))))).view(-1, 4, 7, 7)
        return self.ct(y)


@network(IMAGES)
class GRN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 6, 3)
        self.g = nn.Parameter(torch.zeros(1, 1, 1, 6))
        self.f = nn.Linear(6, 6)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.f(self.c(x).permute(0, 2, 3, 1))
        n = x.norm(dim=(1, 2), keepdim=True)
        x = self.g * (x * n / (n.mean(-1, keepdim=True) + 1e-06)) + x
        return self.r(x.permute(0, 3, 1, 2))


@network(IMAGES)
class CBAM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 6, 3, padding=1)
        self.m = nn.Sequential(nn.Conv2d(6, 3, 1), nn.ReLU(), nn.Conv2d(3, 6, 1))
        self.sp = nn.Conv2d(2, 1, 7, padding=3)
        self.sg = nn.Sigmoid()
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x)
        x = x * self.sg(self.m(x.mean((2, 3), keepdim=True)) + self.m(x.amax((2, 3), keepdim=True)))
        a = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return self.r(x * self.sg(self.sp(a)))


@network((3, 1, 12, 12))
class SpatialTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), nn.ReLU())
        self.fc = nn.Linear(64, 6)
        self.c = nn.Conv2d(1, 5, 3)
        self.o = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> Any:
        t = self.fc(self.loc(x).flatten(1)).view(-1, 2, 3)
        x = F.grid_sample(x, F.affine_grid(t, x.size(), align_corners=False), align_corners=False)
        return self.o(F.relu(self.c(x)).mean((2, 3)))


@network(IMAGES)
class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 6, 3)
        self.bn = nn.BatchNorm2d(6)
        self.f = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> Any:
        y = self.bn(self.c(torch.cat([x, x.flip(-1)], 0))).mean((2, 3))
        a, b = self.f(y).chunk(2, 0)
        return a * b


@network(IMAGES)
class CondConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 6, 3)
        self.r = nn.Linear(6, 2)
        self.w = nn.Parameter(torch.randn(2, 6 * 6 * 9))
        self.bn = nn.BatchNorm2d(6)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x)
        B, C, H, W = x.shape
        w = (torch.sigmoid(self.r(x.mean((2, 3)))) @ self.w).view(B * 6, 6, 3, 3)
        y = F.conv2d(x.reshape(1, B * C, H, W), w, groups=B)
        return self.act(self.bn(y.view(B, 6, y.shape[-2], y.shape[-1])))


@network(IMAGES)
class Involution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 8, 3, padding=1)
        self.k = nn.Conv2d(8, 2 * 9, 1)
        self.u = nn.Unfold(3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x)
        B, C, H, W = x.shape
        w = self.k(x).view(B, 2, 9, H, W).unsqueeze(2)
        y = self.u(x).view(B, 2, 4, 9, H, W)
        return self.r(self.bn((w * y).sum(3).view(B, C, H, W)))
