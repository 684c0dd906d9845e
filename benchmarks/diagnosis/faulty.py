"""Set-ups with one fault each, and the rules that name it rightly."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from benchmarks.diagnosis import data
from benchmarks.diagnosis.case import Case
from benchmarks.diagnosis.networks import conv, conv_1d, dense, he, normal, start
from benchmarks.diagnosis.optimizers import adam, rmsprop, sgd

cross_entropy = nn.CrossEntropyLoss()
squared = nn.MSELoss()
LOST = frozenset({"vanishing_gradient", "vanishing_activation"})
FAST = frozenset({"too_fast"})
SLOW = frozenset({"too_slow"})
INPUT = frozenset({"unscaled_input"})
OUTPUT = frozenset({"wrong_output"})


def _binary(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy(outputs[:, 0], targets.float())


def _log_of_probabilities(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.log(outputs.gather(1, targets[:, None])).mean()


def _upside_down(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -functional.nll_loss(torch.log(outputs + 1e-9), targets)


softmax = partial(nn.Softmax, dim=1)
spiral_net = partial(dense, 2, 32, 32, 2)
table_net = partial(dense, 12, 32, 32, 4)
surface_net = partial(dense, 3, 32, 32, 1)

CASES = (
    Case("pixels 0..255, plain descent", partial(data.gratings, scale=255, shift=0), conv, cross_entropy, sgd(0.05), INPUT, ("0",)),
    Case("pixels 0..255, Adam", partial(data.gratings, scale=255, shift=0), conv, cross_entropy, adam(0.01), INPUT, ("0",)),
    Case("features of very different size", partial(data.table, magnitude=4), table_net, cross_entropy, adam(0.003), INPUT, ("0",)),
    Case(
        "spirals times 200 into tanh",
        partial(data.spirals, scale=200),
        partial(dense, 2, 32, 2, hidden=nn.Tanh),
        cross_entropy,
        adam(0.002),
        INPUT,
    ),
    Case(
        "all weights zero", data.gratings, start(conv, torch.Tensor.zero_, 0.0), cross_entropy, adam(0.003), frozenset({"bad_init"}), ("0",)
    ),
    Case(
        "all weights equal",
        data.table,
        start(table_net, lambda weight: weight.fill_(0.1)),
        cross_entropy,
        adam(0.003),
        frozenset({"bad_init"}),
    ),
    Case(
        "weights far too small",
        data.gratings,
        normal(conv, 0.002, 0.1),
        cross_entropy,
        sgd(0.05),
        LOST | {"bad_init"},
    ),
    Case(
        "weights far too large",
        data.table,
        normal(partial(dense, 12, 64, 64, 64, 4), 2.0),
        cross_entropy,
        sgd(0.01),
        frozenset({"exploding_activation", "bad_init", "too_fast"}),
    ),
    Case(
        "large weights before tanh",
        data.table,
        normal(partial(dense, 12, 64, 64, 4, hidden=nn.Tanh), 2.0),
        cross_entropy,
        sgd(0.003),
        frozenset({"saturated_activation", "bad_init"}),
    ),
    Case("eight sigmoid layers", data.spirals, partial(dense, 2, *[24] * 8, 2, hidden=nn.Sigmoid), cross_entropy, sgd(0.1), LOST),
    Case("softmax between layers", data.table, partial(dense, 12, 32, 32, 4, hidden=softmax), cross_entropy, sgd(0.1), LOST),
    Case(
        "biases that switch every unit off",
        data.table,
        start(table_net, lambda weight: nn.init.kaiming_normal_(weight), -6.0),
        cross_entropy,
        sgd(0.05),
        frozenset({"dead_units"}),
    ),
    Case("Adam at 0.5", data.gratings, conv, cross_entropy, adam(0.5), FAST | {"dead_units"}),
    Case("plain descent at 5", data.gratings, he(conv), cross_entropy, sgd(5.0), FAST | {"dead_units"}),
    Case("RMSprop at 0.3", data.table, table_net, cross_entropy, rmsprop(0.3), FAST | {"dead_units"}),
    Case("momentum that diverges", data.surface, he(surface_net), squared, sgd(0.6, momentum=0.9), FAST | {"non_finite"}),
    Case("Adam at 1e-6", data.gratings, conv, cross_entropy, adam(1e-6), SLOW),
    Case("plain descent at 1e-4", data.table, table_net, cross_entropy, sgd(1e-4), SLOW),
    Case("regression at 1e-4", data.surface, surface_net, squared, sgd(1e-4), SLOW),
    Case("waves at 1e-5", data.waves, conv_1d, cross_entropy, adam(1e-5), SLOW),
    Case(
        "softmax before a loss that has its own",
        data.table,
        partial(dense, 12, 32, 4, last=softmax),
        cross_entropy,
        sgd(0.1),
        OUTPUT,
        ("3", "2"),
    ),
    Case(
        "softmax over one unit",
        data.spirals,
        partial(dense, 2, 16, 1, last=softmax),
        _binary,
        adam(0.01),
        OUTPUT | {"constant_output"},
        ("3", "2"),
    ),
    Case(
        "sigmoid for targets around 20",
        partial(data.surface, gain=4, offset=20),
        partial(dense, 3, 32, 1, last=nn.Sigmoid),
        squared,
        adam(0.005),
        OUTPUT,
    ),
    Case(
        "ReLU for targets of both signs",
        data.surface,
        partial(dense, 3, 32, 1, last=nn.ReLU),
        squared,
        adam(0.005),
        OUTPUT | {"dead_units"},
    ),
    Case("softmax for several labels", data.bits, partial(dense, 10, 32, 10, last=softmax), squared, adam(0.003), OUTPUT),
    Case(
        "five layers that start at next to nothing",
        data.table,
        normal(partial(dense, 12, *[64] * 5, 4), 0.001),
        cross_entropy,
        sgd(0.05),
        LOST | {"bad_init"},
    ),
    Case("the sign of the loss is wrong", data.table, partial(dense, 12, 32, 4, last=softmax), _upside_down, adam(0.003), OUTPUT),
    Case(
        "logarithm of a probability of 0",
        data.table,
        normal(partial(dense, 12, 32, 4, last=softmax), 8.0),
        _log_of_probabilities,
        sgd(0.05),
        frozenset({"non_finite", "exploding_activation", "bad_init"}),
    ),
)
