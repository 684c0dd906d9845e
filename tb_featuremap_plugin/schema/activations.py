"""Every activation function that frameworks have, and what follows from which one it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

NEAR_END = 0.025
"""Within this share of its range from a flat end an activation hardly changes with its input: a sigmoid's slope is there below 0.025."""

_ANY = (-math.inf, math.inf)
_POSITIVE = (0.0, math.inf)
_UNIT = (0.0, 1.0)
_SYMMETRIC = (-1.0, 1.0)


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        name: as Keras or, where Keras has none, torch or JAX call it.
        aliases: other names, in any spelling; `find` ignores case and punctuation.
        limits: lowest and highest value that it can put out or come near to, whatever its parameters.
        flat_ends: those of the limits at which a value counts as saturated, since the function hardly changes there. Of ReLU6 only the
            upper one: at the lower one units are dead, not saturated.
        rectifies: whether it cuts what is below zero off, so that a unit that is never above 0 passes nothing on, backward either.
        sums_to_one: whether the values of a position sum to 1, as those of softmax do.
    """

    name: str
    aliases: tuple[str, ...] = ()
    limits: tuple[float, float] = _ANY
    flat_ends: tuple[float, ...] = ()
    rectifies: bool = False
    sums_to_one: bool = False

    @property
    def squashes(self) -> bool:
        """Whether it is bounded on both sides and flat there, so that every one on the way back makes the gradient smaller."""
        return len(self.flat_ends) > 1 or self.sums_to_one

    @property
    def probabilities(self) -> bool:
        """Whether what it puts out can be read as probabilities."""
        return self.limits == _UNIT

    @property
    def unsaturated(self) -> tuple[float, float] | None:
        """Values below the first or above the second are saturated; None where none can be. An infinite one is no bound."""
        if not self.flat_ends:
            return None
        low, high = self.limits
        margin = NEAR_END * (high - low)
        return (low + margin if low in self.flat_ends else -math.inf, high - margin if high in self.flat_ends else math.inf)


ACTIVATIONS: tuple[Activation, ...] = (
    Activation("linear", ("identity", "none", "linear_activation")),
    Activation("relu", ("rectifier", "relu_layer"), _POSITIVE, rectifies=True),
    Activation("relu6", (), (0.0, 6.0), (6.0,), rectifies=True),
    Activation("squared_relu", ("relu2", "relu_squared", "relu_squared_activation"), _POSITIVE, rectifies=True),
    Activation("sparse_plus", (), _POSITIVE, rectifies=True),
    Activation("leaky_relu", ("lrelu",)),
    Activation("prelu", ("parametric_relu",)),
    Activation("rrelu", ("randomized_leaky_relu",)),
    Activation("elu"),
    Activation("celu"),
    Activation("selu", (), (-1.7581, math.inf)),
    Activation(
        "gelu",
        (
            *(
                "gelu_new",
                "gelu_fast",
                "gelu_python",
                "gelu_accurate",
                "gelu_tanh",
                "gelu_pytorch_tanh",
                "pytorch_gelu_tanh",
                "approximate_gelu",
            ),
            *("gelu_activation", "new_gelu_activation", "fast_gelu_activation", "accurate_gelu_activation"),
        ),
        (-0.17, math.inf),
    ),
    Activation("quick_gelu", ("quick_gelu_activation",), (-0.1636, math.inf)),
    Activation("clipped_gelu", ("gelu_10", "clipped_gelu_activation"), (-0.17, 10.0), (10.0,)),
    Activation("silu", ("swish", "silu_activation", "swish_me", "swish_jit", "memory_efficient_swish"), (-0.2785, math.inf)),
    Activation(
        "hard_silu",
        ("hard_swish", "h_swish", "hswish", "hard_swish_jit", "hard_swish_me"),
        (-0.375, math.inf),
    ),
    Activation("mish", ("mish_activation", "mish_jit", "mish_me"), (-0.3088, math.inf)),
    Activation("hard_mish", ("hard_mish_jit", "hard_mish_me"), (-0.5, math.inf)),
    Activation("softplus", (), _POSITIVE),
    Activation("squareplus", (), _POSITIVE),
    Activation("exponential", ("exp",), _POSITIVE),
    Activation("sigmoid", ("logistic", "expit"), _UNIT, _UNIT),
    Activation("hard_sigmoid", ("h_sigmoid", "hard_sigmoid_jit", "hard_sigmoid_me"), _UNIT, _UNIT),
    Activation("sparse_sigmoid", (), _UNIT, _UNIT),
    Activation("laplace", ("laplace_activation",), _UNIT, _UNIT),
    Activation("tanh", (), _SYMMETRIC, _SYMMETRIC),
    Activation("hard_tanh", (), _SYMMETRIC, _SYMMETRIC),
    Activation("softsign", (), _SYMMETRIC, _SYMMETRIC),
    Activation("softmax", ("softmax2d", "stable_softmax"), _UNIT, sums_to_one=True),
    Activation("softmin", (), _UNIT, sums_to_one=True),
    Activation("sparsemax", (), _UNIT, sums_to_one=True),
    Activation("log_softmax", (), (-math.inf, 0.0)),
    Activation("log_sigmoid", (), (-math.inf, 0.0)),
    Activation("glu", ("gated_linear_unit",)),
    Activation("hard_shrink"),
    Activation("soft_shrink"),
    Activation("tanh_shrink"),
    Activation("threshold"),
)


def bare(text: str | None) -> str:
    """A name in any spelling, without case and punctuation: "Hard-Tanh", "hard_tanh" and "hardtanh" are the same."""
    return "".join(character for character in (text or "").lower() if character.isalnum())


_BY_NAME = {bare(name): one for one in ACTIVATIONS for name in (one.name, *one.aliases)}


@lru_cache(maxsize=1024)
def find(text: str | None) -> Activation | None:
    """The activation of this name, in any spelling; None if it is not known here."""
    return _BY_NAME.get(bare(text))
