"""Thirty programs with a fault as recipes, so that a change can be made to one as a user would make it, and trained again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as fn

from benchmarks.programs.data import table
from benchmarks.programs.loops import Apply, digit_tensors, tensors, watched

STEPS = 150
HELD_OUT = 5
"""Every fifth sample is kept for judging."""


@dataclass(frozen=True)
class Recipe:
    """A program in plain words; the defaults are those of a sound one.

    Attributes:
        data: "digits", "numbers" (a regression) or "yes or no".
        network: "dense" or "conv".
        start: of the kernels: "default", "zero", "large", "small", "he_normal" or "glorot_uniform".
        last: an activation behind the last layer, "" for none.
        loss: "default", or what is wrongly used.
        scale, shift: of the inputs.
        target_scale, target_shift: of a regression's targets.
        learns: "all", or "head" where the optimizer is given only the last layer.
        faults: what the loop does wrongly: "keeps gradients", "no step", "eval mode", "detach", "flat targets", "sign".
        mend: the fields that the true mend changes.
    """

    name: str
    data: str = "digits"
    network: str = "dense"
    widths: tuple[int, ...] = (48, 32)
    activation: str = "ReLU"
    norm: bool = False
    dropout: float = 0.0
    start: str = "default"
    bias: float = 0.0
    last: str = ""
    loss: str = "default"
    optimizer: str = "Adam"
    rate: float = 3e-3
    decay: float = 0.0
    clip: float | None = None
    scale: float = 1.0
    shift: float = 0.0
    target_scale: float = 1.0
    target_shift: float = 0.0
    learns: str = "all"
    frozen: bool = False
    faults: frozenset[str] = frozenset()
    positives: float = 0.5
    weight: float = 1.0
    mend: Mapping[str, Any] = field(default_factory=dict)

    def mended(self) -> Recipe:
        """As it should be."""
        return replace(self, **self.mend)

    def without(self, fault: str) -> Recipe:
        """With one habit of the loop less."""
        return replace(self, faults=self.faults - {fault})


def train(recipe: Recipe, logdir: Path | None, seed: int = 0) -> float:
    """Trains a recipe, logged if there is a folder, and returns its skill on samples held out: 1 is perfect, 0 a constant answer."""
    torch.manual_seed(seed)
    x, y = _data(recipe)
    held = torch.arange(len(x)) % HELD_OUT == 0
    model, loss_fn = _model(recipe, x, y), _loss(recipe)
    optimizer = _optimizer(recipe, model)
    watcher = watched(model, logdir, x[~held], y[~held], loss_fn=loss_fn, optimizer=optimizer) if logdir else None
    _fit(recipe, model, x[~held], y[~held], loss_fn, optimizer, watcher)
    if watcher is not None:
        watcher.close()
    model.eval()
    with torch.no_grad():
        return _skill(recipe, model(x[held]), y[held])


def _fit(
    recipe: Recipe, model: nn.Module, x: torch.Tensor, y: torch.Tensor, loss_fn: Callable[..., Any], optimizer: Any, watcher: Any
) -> None:
    model.train("eval mode" not in recipe.faults)
    sign = -1 if "sign" in recipe.faults else 1
    for _ in range(STEPS):
        at = torch.randint(len(x), (32,))
        if "keeps gradients" not in recipe.faults:
            optimizer.zero_grad()
        loss = sign * loss_fn(model(x[at]), y[at])
        loss.backward()
        if recipe.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        if "no step" not in recipe.faults:
            optimizer.step()
        if watcher is not None:
            watcher.step(loss)


def _data(recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    if recipe.data == "digits":
        x, y = digit_tensors(flat=recipe.network == "dense")
    else:
        x, y = tensors(*table(1500, noise=0.1))
    if recipe.data == "yes or no":
        y = (y > torch.quantile(y, 1 - recipe.positives)).float()
    elif recipe.data == "numbers":
        y = y * recipe.target_scale + recipe.target_shift
    if "flat targets" in recipe.faults:
        y = y[:, 0]
    return x * recipe.scale + recipe.shift, y


def _model(recipe: Recipe, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    outputs = 10 if recipe.data == "digits" else 1
    model = _convolutions(recipe) if recipe.network == "conv" else _dense(recipe, x.shape[1])
    head = nn.Linear(256 if recipe.network == "conv" else recipe.widths[-1], outputs)
    _begin(recipe, model)
    if recipe.frozen:
        model.requires_grad_(False)
    between = [Apply(lambda h: h.detach())] if "detach" in recipe.faults else []
    lasts = {"softmax": lambda h: h.softmax(1), "softmax over the batch": lambda h: h.softmax(0), "sigmoid": torch.sigmoid, "relu": fn.relu}
    lasts |= {"tanh": torch.tanh, "log_softmax over the batch": lambda h: h.log_softmax(0), "log_softmax": lambda h: h.log_softmax(1)}
    return nn.Sequential(*model, *between, head, *([Apply(lasts[recipe.last])] if recipe.last else []))


def _dense(recipe: Recipe, features: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for before, after in pairwise((features, *recipe.widths)):
        norm = [nn.BatchNorm1d(after)] if recipe.norm else []
        drop = [nn.Dropout(recipe.dropout)] if recipe.dropout else []
        parts += [nn.Linear(before, after), *norm, getattr(nn, recipe.activation)(), *drop]
    return nn.Sequential(*parts)


def _convolutions(recipe: Recipe) -> nn.Sequential:
    act = getattr(nn, recipe.activation)
    norms = [[nn.BatchNorm2d(16)], [nn.BatchNorm2d(16)]] if recipe.norm else [[], []]
    first = [nn.Conv2d(1, 16, 3), *norms[0], act(), nn.Conv2d(16, 16, 3), *norms[1], act()]
    return nn.Sequential(*first, nn.Flatten())


def _begin(recipe: Recipe, model: nn.Module) -> None:
    starts: dict[str, Callable[[torch.Tensor], Any]] = {
        "zero": nn.init.zeros_,
        "large": lambda weight: nn.init.normal_(weight, std=1.5),
        "small": lambda weight: nn.init.normal_(weight, std=1e-4),
        "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "glorot_uniform": nn.init.xavier_uniform_,
    }
    for layer in model:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            if recipe.start in starts:
                starts[recipe.start](layer.weight)
            if recipe.start != "default" or recipe.bias:
                nn.init.constant_(layer.bias, recipe.bias)


def _loss(recipe: Recipe) -> Any:
    if recipe.loss != "default":
        return {"nll": fn.nll_loss, "mse": fn.mse_loss, "cross_entropy": fn.cross_entropy, "bce": fn.binary_cross_entropy}[recipe.loss]
    weight = torch.tensor([recipe.weight])
    losses = {"digits": nn.CrossEntropyLoss(), "numbers": nn.MSELoss(), "yes or no": nn.BCEWithLogitsLoss(pos_weight=weight)}
    return losses[recipe.data]


def _optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    parameters = list(
        model.parameters() if recipe.learns == "all" else [part for part in model if isinstance(part, nn.Linear)][-1].parameters()
    )
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if recipe.optimizer == "Adam":
        return torch.optim.Adam(parameters, recipe.rate, weight_decay=recipe.decay)
    return torch.optim.SGD(parameters, recipe.rate, momentum=0.9 if recipe.optimizer == "momentum" else 0.0, weight_decay=recipe.decay)


def _skill(recipe: Recipe, answers: torch.Tensor, y: torch.Tensor) -> float:
    if not torch.isfinite(answers).all():
        return 0.0
    if recipe.data == "digits":
        return max(0.0, ((answers.argmax(1) == y).float().mean().item() - 0.1) / 0.9)
    if recipe.data == "numbers":
        y = y.reshape(len(y), -1)
        return max(0.0, 1 - ((answers - y) ** 2).mean().item() / y.var().item())
    right = y.flatten() > 0.5
    said = answers.flatten() > (0.5 if recipe.last == "sigmoid" else 0.0)
    balanced = (said[right].float().mean().item() + (~said[~right]).float().mean().item()) / 2
    return max(0.0, 2 * balanced - 1)


def _of(*faults: str) -> frozenset[str]:
    return frozenset(faults)


RECIPES = (
    Recipe(
        "pixels 0..255 into convolutions, SGD",
        network="conv",
        scale=60,
        shift=70,
        optimizer="SGD",
        rate=0.05,
        mend={"scale": 1, "shift": 0},
    ),
    Recipe(
        "features of thousands, momentum",
        "yes or no",
        scale=2000,
        shift=4000,
        optimizer="momentum",
        rate=0.02,
        mend={"scale": 1, "shift": 0},
    ),
    Recipe("features of hundreds, sigmoid units", "numbers", activation="Sigmoid", scale=300, shift=500, mend={"scale": 1, "shift": 0}),
    Recipe("input divided by 255 twice", scale=1 / 65025, optimizer="SGD", rate=0.1, mend={"scale": 1}),
    Recipe("targets of hundreds of thousands", "numbers", target_scale=8e4, target_shift=3e5, mend={"target_scale": 1, "target_shift": 0}),
    Recipe(
        "targets of thousands, SGD",
        "numbers",
        target_scale=2e3,
        target_shift=9e3,
        optimizer="SGD",
        rate=0.05,
        mend={"target_scale": 1, "target_shift": 0},
    ),
    Recipe("a rate of 0.5, Adam", rate=0.5, mend={"rate": 3e-3}),
    Recipe("a rate of 0.2, Adam, convolutions", network="conv", rate=0.2, mend={"rate": 3e-3}),
    Recipe("a rate of 20, SGD", optimizer="SGD", rate=20, mend={"rate": 0.1}),
    Recipe("a rate of 3, momentum, regression", "numbers", optimizer="momentum", rate=3, mend={"rate": 0.01}),
    Recipe("a rate of 1e-6, Adam", rate=1e-6, mend={"rate": 3e-3}),
    Recipe("a rate of 1e-5, SGD", optimizer="SGD", rate=1e-5, mend={"rate": 0.1}),
    Recipe("a rate of 3e-5, Adam, convolutions", network="conv", rate=3e-5, mend={"rate": 3e-3}),
    Recipe("kernels begin at zero", start="zero", mend={"start": "default"}),
    Recipe("kernels begin with a spread of 1.5, five layers", widths=(48,) * 5, start="large", mend={"start": "he_normal"}),
    Recipe("kernels begin with a spread of 1e-4", widths=(48,) * 3, start="small", optimizer="SGD", rate=0.05, mend={"start": "he_normal"}),
    Recipe(
        "large kernels before tanh",
        widths=(48,) * 4,
        activation="Tanh",
        start="large",
        optimizer="SGD",
        rate=0.05,
        mend={"start": "glorot_uniform"},
    ),
    Recipe(
        "eight sigmoid layers",
        widths=(48,) * 8,
        activation="Sigmoid",
        optimizer="SGD",
        rate=0.1,
        mend={"activation": "ReLU", "start": "he_normal"},
    ),
    Recipe("biases at -5 before ReLU", bias=-5.0, start="he_normal", mend={"bias": 0.0}),
    Recipe("softmax, then CrossEntropyLoss", last="softmax", optimizer="SGD", rate=0.1, mend={"last": ""}),
    Recipe("softmax over the batch", last="log_softmax over the batch", loss="nll", mend={"last": "log_softmax"}),
    Recipe("probabilities into nll_loss", last="softmax", loss="nll", optimizer="SGD", rate=0.03, mend={"last": "log_softmax"}),
    Recipe("relu behind the last layer of a regression", "numbers", last="relu", mend={"last": ""}),
    Recipe("sigmoid behind the last layer of a regression", "numbers", last="sigmoid", mend={"last": ""}),
    Recipe("answers [N, 1] against targets [N]", "numbers", faults=_of("flat targets"), mend={"faults": _of()}),
    Recipe("zero_grad forgotten", optimizer="SGD", rate=0.1, faults=_of("keeps gradients"), mend={"faults": _of()}),
    Recipe("step forgotten", faults=_of("no step"), mend={"faults": _of()}),
    Recipe("detach in forward", widths=(32, 8), faults=_of("detach"), optimizer="SGD", rate=0.1, mend={"faults": _of()}),
    Recipe(
        "only the head in the optimizer",
        widths=(32, 16, 8),
        learns="head",
        activation="Tanh",
        optimizer="SGD",
        rate=0.1,
        mend={"learns": "all"},
    ),
    Recipe(
        "a frozen body that is random",
        widths=(32, 16, 8),
        frozen=True,
        activation="Tanh",
        optimizer="SGD",
        rate=0.1,
        mend={"frozen": False},
    ),
    Recipe("gradients clipped to 0.001", clip=0.001, optimizer="SGD", rate=0.1, mend={"clip": 1.0}),
    Recipe("weight decay of 0.5", decay=0.5, widths=(48, 48, 32), mend={"decay": 0.0}),
    Recipe("dropout of 0.95", dropout=0.95, mend={"dropout": 0.2}),
    Recipe("one in thirty is positive", "yes or no", positives=0.03, optimizer="SGD", rate=0.05, mend={"weight": 30.0}),
)
