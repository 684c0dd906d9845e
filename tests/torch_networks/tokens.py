"""Networks of tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.torch_networks.registry import IMAGES, network


@network(IMAGES)
class Swin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Conv2d(3, 8, 2, 2)
        self.n = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.table = nn.Parameter(torch.zeros(2, 16, 16))
        self.sm = nn.Softmax(-1)
        self.proj = nn.Linear(8, 8)
        self.fc1 = nn.Linear(8, 16)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(16, 8)
        self.red = nn.Linear(32, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.p(x).permute(0, 2, 3, 1)
        B, H, W, C = x.shape
        sc = x
        x = self.n(x)
        x = torch.roll(x, (-1, -1), (1, 2))
        w = x.view(B, H // 4, 4, W // 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, C)
        qkv = self.qkv(w).reshape(w.shape[0], 16, 3, 2, C // 2).permute(2, 0, 3, 1, 4)
        q, k, v = (qkv[0], qkv[1], qkv[2])
        a = self.sm(q @ k.transpose(-2, -1) + self.table)
        w = (a @ v).transpose(1, 2).reshape(-1, 16, C)
        w = self.proj(w)
        x = w.view(B, H // 4, W // 4, 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, C)
        x = sc + torch.roll(x, (1, 1), (1, 2))
        x = x + self.fc2(self.act(self.fc1(x)))
        x = self.red(torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1))
        return self.head(x.mean((1, 2)))


@network(IMAGES)
class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Conv2d(3, 8, 4, 4)
        self.cls = nn.Parameter(torch.randn(1, 1, 8))
        self.pos = nn.Parameter(torch.randn(1, 17, 8))
        self.n1 = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.qn = nn.LayerNorm(4)
        self.proj = nn.Linear(8, 8)
        self.n = nn.LayerNorm(8)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.p(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        x = self.drop(x)
        B, L, C = x.shape
        q, k, v = self.qkv(self.n1(x)).reshape(B, L, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        q = self.qn(q)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, L, C))
        return self.head(self.n(x)[:, 0])


@network(IMAGES)
class DETR(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Conv2d(3, 8, 4, 4)
        self.q = nn.Embedding(7, 8)
        self.t = nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)
        self.cls = nn.Linear(8, 5)
        self.box = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: torch.Tensor) -> Any:
        f = self.b(x)
        B = len(f)
        src = f.flatten(2).permute(2, 0, 1)
        h = self.t(src, self.q.weight.unsqueeze(1).repeat(1, B, 1)).transpose(0, 1)
        return {"logits": self.cls(h), "boxes": self.box(h).sigmoid()}


@network(IMAGES)
class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Conv2d(3, 8, 4, 4)
        self.n1 = nn.LayerNorm(8)
        self.t1 = nn.Linear(16, 12)
        self.a1 = nn.GELU()
        self.t2 = nn.Linear(12, 16)
        self.n2 = nn.LayerNorm(8)
        self.c1 = nn.Linear(8, 20)
        self.a2 = nn.GELU()
        self.c2 = nn.Linear(20, 8)
        self.drop = nn.Dropout()
        self.act = nn.ReLU()
        self.h = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.p(x).flatten(2).transpose(1, 2)
        x = x + self.t2(self.a1(self.t1(self.n1(x).transpose(1, 2)))).transpose(1, 2)
        x = self.act(x)
        x = x + self.c2(self.a2(self.c1(self.n2(x))))
        return self.h(self.act(x).mean(1))


@network(IMAGES)
class MixerLinearStem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Linear(48, 8)
        self.t1 = nn.Linear(16, 12)
        self.a1 = nn.GELU()
        self.t2 = nn.Linear(12, 16)
        self.act = nn.ReLU()
        self.n = nn.LayerNorm(8)
        self.h = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        B = len(x)
        x = x.reshape(B, 3, 4, 4, 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(B, 16, 48)
        x = self.p(x)
        x = x + self.t2(self.a1(self.t1(x.transpose(1, 2)))).transpose(1, 2)
        x = self.act(x)
        return self.h(self.n(x).mean(1))


@network((3, 6, 8))
class Performer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(8, 8)
        self.k = nn.Linear(8, 8)
        self.v = nn.Linear(8, 8)
        self.register_buffer("w", torch.randn(5, 4))
        self.r = nn.ReLU()
        self.o = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> Any:
        B, L, C = x.shape
        q, k, v = (f(x).view(B, L, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        q = F.relu(torch.einsum("bhld,md->bhlm", q, self.w)) + 0.1
        k = F.relu(torch.einsum("bhld,md->bhlm", k, self.w)) + 0.1
        kv = torch.einsum("bhlm,bhld->bhmd", k, v)
        z = 1 / torch.einsum("bhlm,bhm->bhl", q, k.sum(2))
        y = torch.einsum("bhlm,bhmd,bhl->bhld", q, kv, z)
        return self.o(self.r(y.transpose(1, 2).reshape(B, L, C)))


@network(IMAGES)
class Perceiver(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lat = nn.Parameter(torch.randn(5, 8))
        self.inp = nn.Linear(3, 8)
        self.n = nn.LayerNorm(8)
        self.q = nn.Linear(8, 8)
        self.kv = nn.Linear(8, 16)
        self.o = nn.Linear(8, 8)
        self.h = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.inp(x.flatten(2).transpose(1, 2))
        latents = self.lat[None].expand(len(x), -1, -1)
        q = self.q(self.n(latents))
        k, v = self.kv(x).chunk(2, -1)
        a = (q @ k.transpose(1, 2)).softmax(-1)
        latents = latents + self.o(a @ v)
        return self.h(latents.mean(1))


@network((3, 9), ids=True)
class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.t = nn.Embedding(11, 8)
        self.p = nn.Embedding(9, 8)
        self.ln = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.o = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 16)
        self.act = nn.GELU()
        self.pr = nn.Linear(16, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.t.weight
        self.drop = nn.Dropout(0.1)

    def forward(self, i: torch.Tensor) -> Any:
        x = self.drop(self.t(i) + self.p(torch.arange(i.shape[1])))
        B, T, C = x.shape
        q, k, v = self.qkv(self.ln(x)).split(C, 2)
        q, k, v = (z.view(B, T, 2, C // 2).transpose(1, 2) for z in (q, k, v))
        a = (q @ k.transpose(-2, -1)).masked_fill(torch.triu(torch.ones(T, T, dtype=torch.bool), 1), -1000000000.0).softmax(-1)
        x = x + self.o((a @ v).transpose(1, 2).contiguous().view(B, T, C))
        x = x + self.pr(self.act(self.fc(x)))
        return self.head(x)


@network((3, 7, 8))
class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Linear(8, 8)
        self.n = nn.LayerNorm(8)
        self.m = nn.Parameter(torch.zeros(1, 1, 8))
        self.d = nn.Linear(8, 8)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.e(x)
        B, L, D = x.shape
        noise = torch.rand(B, L, generator=torch.Generator().manual_seed(0))
        ids = noise.argsort(1)
        res = ids.argsort(1)
        keep = ids[:, :3]
        y = self.n(torch.gather(x, 1, keep[..., None].repeat(1, 1, D)))
        z = torch.cat([y, self.m.repeat(B, L - 3, 1)], 1)
        z = torch.gather(z, 1, res[..., None].repeat(1, 1, D))
        return self.r(self.d(z))


@network(IMAGES)
class Axial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 8, 2, 2)
        self.a = nn.MultiheadAttention(8, 2, batch_first=True)
        self.b = nn.MultiheadAttention(8, 2, batch_first=True)
        self.n = nn.LayerNorm(8)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.c(x).permute(0, 2, 3, 1)
        B, H, W, C = x.shape
        y = self.n(x).reshape(B * H, W, C)
        x = x + self.a(y, y, y)[0].view(B, H, W, C)
        y = x.transpose(1, 2).reshape(B * W, H, C)
        x = x + self.b(y, y, y)[0].view(B, W, H, C).transpose(1, 2)
        return self.r(x.permute(0, 3, 1, 2))


@network(IMAGES)
class Fnet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Conv2d(3, 8, 4, 4)
        self.n = nn.LayerNorm(8)
        self.w = nn.Parameter(torch.randn(4, 3, 8))
        self.f = nn.Linear(8, 8)
        self.r = nn.ReLU()

    def forward(self, x: torch.Tensor) -> Any:
        x = self.n(self.p(x).permute(0, 2, 3, 1))
        X = torch.fft.rfft2(x, dim=(1, 2), norm="ortho") * self.w
        return self.r(self.f(torch.fft.irfft2(X, s=(4, 4), dim=(1, 2), norm="ortho")))
