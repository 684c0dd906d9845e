"""Layers that lie in a plain Python list or dictionary of the model, which do not belong to it for the framework."""

from __future__ import annotations

from collections.abc import Iterable

from tb_featuremap_plugin.diagnosis.findings import WARNING, Finding
from tb_featuremap_plugin.diagnosis.phrases import names
from tb_featuremap_plugin.diagnosis.rule import Doc, Rule
from tb_featuremap_plugin.diagnosis.run_view import RunView

MIN_STEPS = 5
"""A learning rate that rises from 0 moves nothing at first."""


def check(view: RunView) -> Iterable[Finding]:
    """Reports what the logger of torch found to get gradients, and to stay as it was."""
    layers = view.record.unregistered
    if not layers or view.last_step < MIN_STEPS:
        return
    one = len(layers) == 1
    yield Finding(
        rule="unregistered_layers",
        severity=WARNING,
        target=view.title,
        target_kind="run",
        first_step=view.steps[0],
        last_step=view.last_step,
        title=f"{layers[0] if one else f'{len(layers)} layers'} of the model cannot learn",
        message=(
            f"The model keeps {names(layers)} in a plain Python list or dictionary, so model.parameters() leaves {'it' if one else 'them'} "
            f"out. Gradients arrive there, but no optimizer has {'its' if one else 'their'} weights: they are still the random ones of the "
            "start. model.to(device) and model.state_dict() leave them out too."
        ),
        evidence={"layers": list(layers)},
        advice=(
            "Keep them in nn.ModuleList([...]), or in nn.ModuleDict({...}), and make the optimizer after that",
            "If they are meant to stay random, say so with requires_grad_(False)",
        ),
    )


RULE = Rule(
    "unregistered_layers",
    check,
    Doc(
        says="layers of the model lie in a plain list or dictionary, so that nothing trains them",
        condition="the logger of torch saw dense or convolutional layers there that get gradients, are in no optimizer, and after 5 steps"
        " are bit by bit what torch initialised them with",
    ),
    is_consequence=False,
)
