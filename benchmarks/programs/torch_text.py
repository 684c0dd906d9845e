"""Healthy programs on words and sequences, in PyTorch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.data import sentences, walk
from benchmarks.programs.loops import fit, tensors, warm_up, watched
from benchmarks.programs.program import healthy

WORDS = 200


@healthy("embedding bag and one layer, SGD with a rate of 2", "loop")
def _bag(logdir: Path) -> Any:
    torch.manual_seed(0)
    x, y = tensors(*sentences())
    model = nn.Sequential(nn.EmbeddingBag(WORDS, 32), nn.Linear(32, 2))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)
    optimizer = torch.optim.SGD(model.parameters(), 2.0)
    return fit(model, x, y, nn.CrossEntropyLoss(), optimizer, logdir, steps=200, clip=0.1)


class _Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.lstm, self.fc = nn.Embedding(WORDS, 16, padding_idx=0), nn.LSTM(16, 32, batch_first=True), nn.Linear(32, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(self.lstm(self.emb(x))[0].amax(1))


@healthy("embedding, LSTM and a dense layer, Adam", "data")
def _lstm(logdir: Path) -> Any:
    torch.manual_seed(1)
    model = _Classifier()
    x, y = tensors(*sentences())
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 5e-3), logdir)


@healthy("tagger with padding ignored (-100), GRU, Adam", "loss")
def _tagger(logdir: Path) -> Any:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.rnn = nn.Embedding(WORDS, 24), nn.GRU(24, 24, batch_first=True, bidirectional=True)
            self.fc = nn.Linear(48, 4)

        def forward(self, x: torch.Tensor) -> Any:
            return self.fc(self.rnn(self.emb(x))[0]).transpose(1, 2)

    torch.manual_seed(2)
    (x,) = tensors(sentences()[0])
    y = torch.where(x == 0, -100, x % 4)
    model = Tagger()
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@healthy("word language model, SGD with a rate of 20 and clipped gradients", "loop")
def _language_model(logdir: Path) -> Any:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop, self.encoder = nn.Dropout(0.2), nn.Embedding(40, 32)
            self.rnn, self.decoder = nn.LSTM(32, 32, 2, dropout=0.2), nn.Linear(32, 40)
            nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
            nn.init.uniform_(self.decoder.weight, -0.1, 0.1)
            nn.init.zeros_(self.decoder.bias)

        def forward(self, x: torch.Tensor) -> Any:
            out = self.decoder(self.drop(self.rnn(self.drop(self.encoder(x)))[0]))
            return fn.log_softmax(out.view(-1, 40), dim=1)

    torch.manual_seed(3)
    (text,) = tensors(walk())
    columns = text[: 20 * 200].view(20, 200).t().contiguous()
    model, loss = Model(), torch.zeros(())
    with watched(model, logdir, columns, loss_fn=nn.NLLLoss()) as watcher:
        for step in range(150):
            start = (step * 15) % 180
            model.zero_grad()
            loss = fn.nll_loss(model(columns[start : start + 15]), columns[start + 1 : start + 16].reshape(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(parameter.grad, alpha=-20)
            watcher.step(loss)
    return loss.item()


class _Causal(nn.Module):
    """A small GPT with tied weights."""

    def __init__(self, *, first: bool = True, depth: int = 3) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(40, 32), nn.Embedding(16, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True, norm_first=first, activation="gelu")
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.ln_f, self.lm_head = nn.LayerNorm(32), nn.Linear(32, 40, bias=False)
        nn.init.normal_(self.wte.weight, std=0.02)
        self.lm_head.weight = self.wte.weight

    def forward(self, x: torch.Tensor) -> Any:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        return self.lm_head(self.ln_f(self.blocks(h, mask=mask, is_causal=True)))


def _windows() -> tuple[torch.Tensor, torch.Tensor]:
    (text,) = tensors(walk())
    windows = text[: 17 * 230].view(-1, 17)
    return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()


def _next_word(scores: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    return fn.cross_entropy(scores.reshape(-1, scores.shape[-1]), words.reshape(-1))


@healthy("GPT with tied weights, AdamW, warm-up and cosine", "transformers")
def _gpt(logdir: Path) -> Any:
    torch.manual_seed(4)
    model = _Causal()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, betas=(0.9, 0.95), weight_decay=0.1)
    return fit(model, *_windows(), _next_word, optimizer, logdir, steps=150, scheduler=warm_up(optimizer, 40, 150), clip=1.0)


@healthy("masked words with ignore_index, post-norm transformer, warm-up", "transformers")
def _masked(logdir: Path) -> Any:
    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(41, 32), nn.Embedding(16, 32)
            layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(32, 41)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(self.encoder(self.words(x) + self.places.weight)).transpose(1, 2)

    torch.manual_seed(5)
    x, _ = _windows()
    hidden = torch.rand(x.shape) < 0.15
    model = Bert()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss = nn.CrossEntropyLoss(ignore_index=-100)
    target = torch.where(hidden, x, -100)
    return fit(model, torch.where(hidden, 40, x), target, loss, optimizer, logdir, steps=150, scheduler=warm_up(optimizer, 30, 150))


@healthy("sequence to sequence with attention, NLLLoss, plain SGD", "loss")
def _translation(logdir: Path) -> Any:
    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.encoder = nn.Embedding(40, 32), nn.GRU(32, 32, batch_first=True)
            self.decoder, self.out = nn.GRU(32, 32, batch_first=True), nn.Linear(64, 40)

        def forward(self, x: torch.Tensor) -> Any:
            keys, state = self.encoder(self.emb(x))
            queries, _ = self.decoder(self.emb(x.flip(1)), state)
            weights = (queries @ keys.transpose(1, 2) / math.sqrt(32)).softmax(-1)
            return fn.log_softmax(self.out(torch.cat([queries, weights @ keys], -1)), -1).transpose(1, 2)

    torch.manual_seed(6)
    x, _ = _windows()
    model = Translator()
    return fit(model, x, (3 * x + 1) % 40, nn.NLLLoss(), torch.optim.SGD(model.parameters(), 0.5, momentum=0.9), logdir, clip=1.0)


class _Lora(nn.Module):
    """A frozen dense layer with a low-rank update beside it."""

    def __init__(self, base: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_a, self.lora_b = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.lora_b.weight)

    def forward(self, x: torch.Tensor) -> Any:
        return self.base(x) + 2 * self.lora_b(self.lora_a(x))


@healthy("LoRA on a model that has learnt something else", "transformers")
def _lora(logdir: Path) -> Any:
    torch.manual_seed(7)
    x, y = _windows()
    model = _Causal(depth=2)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3)
    for _ in range(100):
        chosen = torch.randint(len(x), (32,))
        optimizer.zero_grad()
        _next_word(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    model.requires_grad_(False)
    for block in model.blocks.layers:
        block.linear1, block.linear2 = _Lora(block.linear1), _Lora(block.linear2)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return fit(model, x, (y + 1) % 40, _next_word, torch.optim.AdamW(trained, 5e-3), logdir)


@healthy("ratings from two embeddings, squared error", "data")
def _recommender(logdir: Path) -> Any:
    class Ratings(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.films, self.mean = nn.Embedding(300, 8), nn.Embedding(500, 8), nn.Parameter(torch.tensor(3.0))
            for table in (self.users, self.films):
                nn.init.normal_(table.weight, std=0.1)

        def forward(self, pairs: torch.Tensor) -> torch.Tensor:
            return (self.users(pairs[:, 0]) * self.films(pairs[:, 1])).sum(1) + self.mean

    torch.manual_seed(8)
    pairs = torch.stack([torch.randint(300, (2000,)), torch.randint(500, (2000,))], 1)
    rating = (3 + torch.sin(pairs[:, 0].float()) * torch.cos(pairs[:, 1].float()) * 2).round()
    model = Ratings()
    return fit(model, pairs, rating, nn.MSELoss(), torch.optim.Adam(model.parameters(), 0.02), logdir)
