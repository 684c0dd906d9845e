"""Programs with a fault that people make today, in PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.data import photos, sentences, table, walk
from benchmarks.programs.loops import Apply, dense, digit_tensors, fit, small_conv, tensors, watched
from benchmarks.programs.program import faulty


@faulty("zero_grad is forgotten", "loop", {"gradient_accumulates"})
def _accumulates(logdir: Path) -> Any:
    return _own_loop(logdir, clear=False)


@faulty("step is forgotten", "loop", {"unchanged_weights"})
def _no_step(logdir: Path) -> Any:
    return _own_loop(logdir, step=False)


@faulty("eval() before the loop, and no train()", "loop", {"eval_mode_training"})
def _eval_mode(logdir: Path) -> Any:
    return _own_loop(logdir, train=False)


@faulty("gradients clipped to 0.001", "loop", {"gradient_clipped", "too_slow"})
def _clipped(logdir: Path) -> Any:
    return _own_loop(logdir, clip=0.001)


def _own_loop(logdir: Path, *, clear: bool = True, step: bool = True, train: bool = True, clip: float | None = None) -> float:
    torch.manual_seed(0)
    x, y = digit_tensors()
    model, loss = small_conv(norm=True), torch.zeros(())
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    model.train(train)
    with watched(model, logdir, x, y, loss_fn=fn.cross_entropy, optimizer=optimizer) as watcher:
        for _ in range(120):
            chosen = torch.randint(len(x), (32,))
            if clear:
                optimizer.zero_grad()
            loss = fn.cross_entropy(model(x[chosen]), y[chosen])
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            if step:
                optimizer.step()
            watcher.step(loss)
    return loss.item()


@faulty("the head was replaced after the optimizer was made", "loop", {"unchanged_weights"}, ("7.",))
def _replaced(logdir: Path) -> Any:
    torch.manual_seed(1)
    model = small_conv()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    model[7] = nn.Linear(128, 10)
    return fit(model, *digit_tensors(), nn.CrossEntropyLoss(), optimizer, logdir)


@faulty("a backbone that is frozen at random", "loop", {"frozen_random"})
def _random_backbone(logdir: Path) -> Any:
    torch.manual_seed(2)
    model = nn.Sequential(dense(64, 48, 32, 32, 16, hidden=nn.Tanh).requires_grad_(False), nn.Tanh(), nn.Linear(16, 10))
    x, y = digit_tensors(flat=True)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model[2].parameters(), 0.05), logdir)


@faulty("detach in forward", "loop", {"unchanged_weights"}, ("0.",))
def _detached(logdir: Path) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), Apply(lambda h: h.detach()), nn.Linear(32, 10))
    x, y = digit_tensors(flat=True)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("softmax in forward, then CrossEntropyLoss", "loss", {"wrong_output"})
def _softmax_twice(logdir: Path) -> Any:
    torch.manual_seed(4)
    model = nn.Sequential(dense(64, 32, 10), Apply(lambda h: fn.softmax(h, dim=1)))
    x, y = digit_tensors(flat=True)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.05), logdir)


@faulty("softmax over the batch", "loss", {"wrong_axis"})
def _batch_axis(logdir: Path) -> Any:
    torch.manual_seed(5)
    model = nn.Sequential(dense(64, 32, 10), nn.LogSoftmax(dim=0))
    x, y = digit_tensors(flat=True)
    return fit(model, x, y, nn.NLLLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("sigmoid in forward, then BCEWithLogitsLoss", "loss", {"wrong_output"})
def _sigmoid_twice(logdir: Path) -> Any:
    torch.manual_seed(6)
    x, z = tensors(*table())
    model = nn.Sequential(dense(10, 32, 1), Apply(torch.sigmoid))
    return fit(model, x, (z > 0).float(), nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("outputs [N, 1] against targets [N]", "loss", {"wrong_output"})
def _broadcast(logdir: Path) -> Any:
    torch.manual_seed(7)
    x, z = tensors(*table())
    model = dense(10, 32, 1)
    return fit(model, x, z[:, 0], nn.MSELoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@faulty("rescaled numbers where classes belong", "loss", {"wrong_output"})
def _class_numbers(logdir: Path) -> Any:
    torch.manual_seed(8)
    x, y = digit_tensors(flat=True)
    model = dense(64, 32, 10)
    numbers = (y.float() / 9)[:, None].repeat(1, 10) * 2 - 1
    return fit(model, x, numbers, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("nll_loss on probabilities, without the logarithm", "loss", {"wrong_output"})
def _no_logarithm(logdir: Path) -> Any:
    torch.manual_seed(9)
    x, y = digit_tensors(flat=True)
    model = nn.Sequential(dense(64, 32, 10), Apply(lambda h: fn.softmax(h, dim=1)))
    return fit(model, x, y, fn.nll_loss, torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("targets of hundreds of thousands", "data", {"unscaled_targets"})
def _prices(logdir: Path) -> Any:
    torch.manual_seed(10)
    x, z = tensors(*table())
    model = dense(10, 32, 32, 1)
    return fit(model, x, 3e5 + 8e4 * z, nn.MSELoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("pixels 0..255 into a network without normalisation", "data", {"unscaled_input"})
def _pixels(logdir: Path) -> Any:
    torch.manual_seed(11)
    pictures, classes = tensors(*photos())
    body = [nn.Conv2d(3, 16, 3, 2), nn.Tanh(), nn.Conv2d(16, 32, 3, 2), nn.Tanh()]
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 5))
    return fit(model, pictures.permute(0, 3, 1, 2), classes, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 0.01), logdir)


@faulty("one label in twenty is positive, one answer to all", "data", {"class_imbalance", "constant_output", "too_slow"})
def _uneven(logdir: Path) -> Any:
    torch.manual_seed(12)
    x, _ = tensors(*table(2000))
    y = (torch.rand(2000, 1) < 0.06).float()
    y[:4] = 1
    model = dense(10, 16, 1)
    return fit(model, x, y, nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters(), 0.02), logdir, steps=200, batch=128)


@faulty("a rate a hundred times too large, Adam", "loop", {"too_fast"})
def _fast(logdir: Path) -> Any:
    torch.manual_seed(13)
    x, y = digit_tensors()
    model = small_conv()
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 0.3), logdir)


@faulty("tied weights that are copies", "transformers", {"tying_broken"})
def _copies(logdir: Path) -> Any:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.fc, self.head = nn.Embedding(40, 32), nn.Linear(32, 32), nn.Linear(32, 40, bias=False)
            self.head.weight.data = self.emb.weight.data.clone()

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(torch.tanh(self.fc(self.emb(x))))

    torch.manual_seed(14)
    (text,) = tensors(walk())
    model = Model()
    return fit(model, text[:-1], text[1:], nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 3e-3), logdir)


@faulty("dropout of 0.99 behind each layer", "network", {"dropout_too_high"})
def _dropout(logdir: Path) -> Any:
    torch.manual_seed(15)
    x, y = digit_tensors(flat=True)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.99), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.99), nn.Linear(32, 10))
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)


@faulty("weights of zeros behind an embedding", "network", {"bad_init"})
def _zeros(logdir: Path) -> Any:
    torch.manual_seed(16)
    x, y = tensors(*sentences())
    model = nn.Sequential(nn.EmbeddingBag(200, 16), dense(16, 16, 16, 2))
    for parameter in model[1].parameters():
        nn.init.zeros_(parameter)
    return fit(model, x, y, nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 1e-3), logdir)
