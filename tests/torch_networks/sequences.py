"""Networks of steps in time, points and frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.torch_networks.registry import network


@network((3, 6, 5))
class LSTMFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.LSTM(5, 7, batch_first=True, bidirectional=True)
        self.n = nn.LayerNorm(14)
        self.r = nn.ReLU()
        self.o = nn.Linear(14, 2)

    def forward(self, x: torch.Tensor) -> Any:
        y, _ = self.l(x)
        return self.o(self.r(self.n(y))[:, -1])


@network((6, 3, 5), 1)
class LSTMTimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.i = nn.Linear(5, 5)
        self.l = nn.LSTM(5, 7)
        self.n = nn.LayerNorm(7)
        self.o = nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> Any:
        y, _ = self.l(self.i(x))
        return self.o(self.n(y))


@network((3, 6, 5))
class GRUTransposed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.GRU(5, 7)
        self.n = nn.LayerNorm(7)
        self.r = nn.ReLU()
        self.o = nn.Linear(7, 2)

    def forward(self, x: torch.Tensor) -> Any:
        y, h = self.l(x.transpose(0, 1))
        return self.o(self.r(self.n(y))[-1]) + self.o(h[-1])


@network((3, 4, 20))
class Conformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sub = nn.Conv1d(4, 8, 3, 2)
        self.n = nn.LayerNorm(8)
        self.pw = nn.Conv1d(8, 16, 1)
        self.glu = nn.GLU(1)
        self.dw = nn.Conv1d(8, 8, 3, padding=1, groups=8)
        self.bn = nn.BatchNorm1d(8)
        self.act = nn.SiLU()
        self.pw2 = nn.Conv1d(8, 8, 1)
        self.mha = nn.MultiheadAttention(8, 2, batch_first=True)
        self.ff = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.sub(x).transpose(1, 2)
        y = self.pw2(self.act(self.bn(self.dw(self.glu(self.pw(self.n(x).transpose(1, 2))))))).transpose(1, 2)
        x = x + y
        x = x + self.mha(x, x, x)[0]
        return self.ff(x)


@network((3, 3, 4, 16, 16))
class Video(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c3 = nn.Conv3d(3, 6, 3, padding=1)
        self.r = nn.ReLU()
        self.c2 = nn.Conv2d(6, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)
        self.l = nn.LSTM(5, 6, batch_first=True)
        self.o = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.r(self.c3(x))
        B, C, T, H, W = x.shape
        x = self.bn(self.c2(x.transpose(1, 2).reshape(B * T, C, H, W))).mean((2, 3))
        x = self.fc(x).view(B, T, -1)
        return self.o(self.l(x)[0][:, -1])


@network((3, 4, 3, 16, 16))
class VideoTimeFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c2 = nn.Conv2d(3, 8, 3)
        self.r = nn.ReLU()
        self.l = nn.LSTM(8, 6)
        self.o = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> Any:
        B, T = x.shape[:2]
        y = self.r(self.c2(x.flatten(0, 1))).mean((2, 3)).unflatten(0, (B, T))
        return self.o(self.l(y.transpose(0, 1))[0])


@network((3, 20, 3))
class PointNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 16))
        self.bn = nn.BatchNorm1d(16)
        self.h = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> Any:
        B, P, _ = x.shape
        y = self.m(x)
        y = self.bn(y.view(B * P, 16)).view(B, P, 16)
        return self.h(y.max(1)[0])


@network((3, 5, 12))
class TCNGraph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(1, 6, (3, 1), padding=(1, 0))
        self.register_buffer("A", torch.rand(12, 12))
        self.bn = nn.BatchNorm2d(6)
        self.r = nn.ReLU()
        self.o = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x[:, None])
        x = self.r(self.bn(torch.einsum("nctv,vw->nctw", x, self.A)))
        return self.o(x.mean((2, 3)))


@network((3, 7, 5))
class RNNLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(5, 6)
        self.lin = nn.Linear(6, 6)
        self.r = nn.ReLU()
        self.n = nn.LayerNorm(6)

    def forward(self, x: torch.Tensor) -> Any:
        h = torch.zeros(len(x), 6, dtype=x.dtype)
        ys = []
        for t in range(7):
            h = self.cell(x[:, t], h)
            ys.append(self.r(self.lin(h)))
        return self.n(torch.stack(ys, 1))


@network((3, 7, 5))
class FillLoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(5, 6)
        self.n = nn.LayerNorm(6)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        out = x.new_zeros(len(x), 7, 6)
        for t in range(7):
            out[:, t] = self.lin(x[:, t])
        return self.n(self.r(out))


@network((3, 8, 6))
class InstanceNorms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv1d(8, 6, 3)
        self.i = nn.InstanceNorm1d(6, affine=True)
        self.g = nn.GroupNorm(2, 6)
        self.p = nn.PReLU(6)

    def forward(self, x: torch.Tensor) -> Any:
        return self.p(self.g(self.i(self.c(x))))
