"""Set-ups with nothing wrong, the hard ones above all: many dead units, noisy losses, tiny batches, frozen layers, schedules."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from benchmarks.diagnosis import data
from benchmarks.diagnosis.case import Case, Tensors, update
from benchmarks.diagnosis.networks import Residual, conv, conv_1d, conv_3d, dense, he, start
from benchmarks.diagnosis.optimizers import adam, rmsprop, sgd

cross_entropy = nn.CrossEntropyLoss()
squared = nn.MSELoss()
table_net = partial(dense, 12, 32, 32, 4)
surface_net = partial(dense, 3, 32, 32, 1)


def _trained(model: nn.Module, tensors: Tensors) -> None:
    """Good weights to start from: most of the training is done already."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(250):
        chosen = torch.randint(len(tensors[0]), (32,))
        update(model, cross_entropy, optimizer, tensors[0][chosen], tensors[1][chosen])


def _trained_and_frozen(model: nn.Module, tensors: Tensors) -> None:
    """Transfer learning: the convolutions stay, the head is new."""
    _trained(model, tensors)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = not name.startswith(("0.", "3."))
    for module in list(model)[-3:]:
        if isinstance(module, nn.Linear):
            module.reset_parameters()


def _warm_up_and_cosine(share: float) -> float:
    return share / 0.1 if share < 0.1 else 0.5 * (1 + math.cos(math.pi * (share - 0.1) / 0.9))


def _drops(share: float) -> float:
    return 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01


CASES = (
    Case("gratings, Adam", data.gratings, conv, cross_entropy, adam(0.003)),
    Case("gratings, momentum", data.gratings, he(conv), cross_entropy, sgd(0.03, momentum=0.9)),
    Case("gratings, RMSprop", data.gratings, conv, cross_entropy, rmsprop(0.001)),
    Case("batch normalisation", data.gratings, partial(conv, normalised=True), cross_entropy, adam(0.01)),
    Case(
        "pixels 0..255 behind batch normalisation",
        partial(data.gratings, scale=255, shift=0),
        partial(conv, first=nn.BatchNorm2d(1)),
        cross_entropy,
        adam(0.003),
    ),
    Case("residual network", data.gratings, Residual, cross_entropy, adam(0.005)),
    Case("tanh convolutions", data.gratings, partial(conv, nn.Tanh), cross_entropy, adam(0.003)),
    Case("two sigmoid layers", data.table, partial(dense, 12, 32, 32, 4, hidden=nn.Sigmoid), cross_entropy, adam(0.02), steps=400),
    Case("leaky ReLU", data.gratings, partial(conv, nn.LeakyReLU), cross_entropy, adam(0.003)),
    Case("tiny batches", data.gratings, conv, cross_entropy, adam(0.001), steps=600, batch=2),
    Case("single inputs", data.table, table_net, cross_entropy, sgd(0.01), steps=1500, batch=1),
    Case("a fifth of the labels is wrong", partial(data.table, noise=0.2), table_net, cross_entropy, adam(0.005), steps=400),
    Case("half of the labels are wrong", partial(data.table, noise=0.5), table_net, cross_entropy, adam(0.005), steps=400),
    Case(
        "many units dead from the start",
        data.table,
        start(partial(dense, 12, 256, 256, 4), lambda weight: nn.init.kaiming_normal_(weight), -1.0),
        cross_entropy,
        adam(0.003),
        steps=400,
    ),
    Case("waves, one dimension", data.waves, conv_1d, cross_entropy, adam(0.005)),
    Case("volumes, three dimensions", data.volumes, conv_3d, cross_entropy, adam(0.003)),
    Case("regression", data.surface, surface_net, squared, adam(0.005)),
    Case("regression with targets around 50", partial(data.surface, gain=5, offset=50), surface_net, squared, adam(0.02), steps=500),
    Case("mean absolute error", data.surface, surface_net, nn.L1Loss(), adam(0.005)),
    Case("warm-up and cosine", data.gratings, conv, cross_entropy, adam(0.005), schedule=_warm_up_and_cosine),
    Case("rate drops in steps", data.gratings, he(conv), cross_entropy, sgd(0.02, momentum=0.9), schedule=_drops, steps=320),
    Case("weight decay", data.table, table_net, cross_entropy, adam(0.005, decay=0.05), steps=400),
    Case("fine-tuning from good weights", data.gratings, conv, cross_entropy, adam(1e-4), before=_trained),
    Case("frozen convolutions, new head", data.gratings, conv, cross_entropy, adam(0.003), before=_trained_and_frozen),
    Case("long after it has converged", data.spirals, partial(dense, 2, 64, 64, 2), cross_entropy, adam(0.01), steps=2000),
    Case("deep ReLU, well started", data.table, he(partial(dense, 12, *[48] * 10, 4)), cross_entropy, adam(0.001), steps=400),
    Case("one linear layer", data.table, partial(dense, 12, 4), cross_entropy, sgd(0.5)),
    Case("a rather small rate", data.gratings, conv, cross_entropy, adam(0.0007), steps=500),
    Case("a rather large rate", data.gratings, conv, cross_entropy, adam(0.015)),
)
