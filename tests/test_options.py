"""Keyword arguments that several calls share are declared once: they are shown, typed, and refused alike everywhere."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest

import tb_featuremap_plugin as fm
from tb_featuremap_plugin.images.options import FilterKeywords, FilterOptions, MapKeywords, MapOptions
from tb_featuremap_plugin.monitor.options import LoopKeywords, MonitorKeywords, MonitorOptions
from tb_featuremap_plugin.recording.requests import WeightKeywords, WeightOptions

MAPS = np.ones((2, 4, 4, 3), np.float32)


@pytest.mark.parametrize(
    ("options", "keywords"),
    [(MapOptions, MapKeywords), (FilterOptions, FilterKeywords), (WeightOptions, WeightKeywords), (MonitorOptions, MonitorKeywords)],
)
def test_keywords_are_the_fields_of_the_options(options, keywords):
    assert get_type_hints(keywords) == get_type_hints(options)


def test_the_integrations_take_what_they_do_not_find_out_themselves():
    assert set(get_type_hints(MonitorKeywords)) - set(get_type_hints(LoopKeywords)) == {"layers", "optimizer"}


@pytest.mark.parametrize(
    ("function", "own", "options"),
    [
        (fm.summary.feature_maps, ["name", "data", "step", "inputs"], MapOptions),
        (fm.summary.feature_maps_pb, ["name", "data", "inputs"], MapOptions),
        (fm.Writer.feature_maps, ["self", "name", "data", "step", "inputs"], MapOptions),
        (fm.summary.filters, ["name", "kernel", "step", "bias"], FilterOptions),
        (fm.summary.filters_pb, ["name", "kernel", "bias"], FilterOptions),
        (fm.Writer.filters, ["self", "name", "kernel", "step", "bias"], FilterOptions),
        (fm.Monitor, ["logdir"], MonitorOptions),
    ],
)
def test_a_signature_shows_every_option_and_its_default(function, own, options):
    shown = inspect.signature(function).parameters
    assert list(shown) == [*own, *(field.name for field in fields(options))]
    assert {name: shown[name].default for name in list(shown)[len(own) :]} == {field.name: field.default for field in fields(options)}


def test_the_defaults_are_those_of_the_manual():
    """Written out here, so that a changed default is a decision and not an accident."""
    assert MapOptions() == MapOptions("NHWC", None, 1, 256, "uint8", None)
    assert FilterOptions() == FilterOptions("HWIO", None, 256, None)
    assert WeightOptions() == WeightOptions(None, True, None)
    monitor = MonitorOptions()
    assert (monitor.every, monitor.run_name, monitor.max_images, monitor.max_channels, monitor.precision) == (
        100,
        "featuremaps",
        4,
        256,
        "uint8",
    )
    assert (monitor.record_inputs, monitor.keep_first, monitor.strict, monitor.mirror_scalars) == (True, True, False, False)


@pytest.mark.parametrize(
    ("call", "wrong", "function"),
    [
        (lambda folder, **wrong: fm.summary.feature_maps_pb("a", MAPS, **wrong), "max_chanels", "feature_maps_pb"),
        (lambda folder, **wrong: fm.summary.filters_pb("a", MAPS, **wrong), "layuot", "filters_pb"),
        (lambda folder, **wrong: fm.summary.weight_change_pb("a", MAPS, MAPS, **wrong), "trainabel", "weight_change_pb"),
        (lambda folder, **wrong: fm.summary.feature_maps("a", MAPS, 0, **wrong), "max_chanels", "feature_maps"),
        (lambda folder, **wrong: fm.Writer(folder).filters("a", MAPS, 0, **wrong), "layuot", "filters"),
        (lambda folder, **wrong: fm.Monitor(folder, **wrong), "evry", "Monitor"),
    ],
)
def test_an_unknown_argument_is_named_with_those_that_are_allowed(call, wrong, function, tmp_path):
    with pytest.raises(TypeError, match=rf"^{function}\(\) has no argument '{wrong}'; allowed are \w+, \w+"):
        call(tmp_path, **{wrong: 3})
