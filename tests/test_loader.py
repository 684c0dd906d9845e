"""The entry point is light, and nothing in it can stop TensorBoard."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from importlib import metadata

import pytest
from tensorboard.plugins.base_plugin import TBContext

from tb_featuremap_plugin.server.loader import SAMPLES, FeatureMapsLoader


def test_the_entry_point_is_the_loader():
    (entry,) = [point for point in metadata.entry_points(group="tensorboard_plugins") if point.name == "featuremaps"]
    assert entry.load() is FeatureMapsLoader


def test_samples_are_raised_where_the_user_has_not_set_them():
    flags = Namespace(samples_per_plugin={"images": 3})
    FeatureMapsLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {"images": 3, **SAMPLES}
    assert SAMPLES["featuremaps"] >= 100
    assert SAMPLES["featuremaps_stats"] >= 1000


def test_what_the_user_set_stays():
    flags = Namespace(samples_per_plugin={"featuremaps": 7, "featuremaps_stats": 0})
    FeatureMapsLoader().fix_flags(flags)
    assert flags.samples_per_plugin == {"featuremaps": 7, "featuremaps_stats": 0}


@pytest.mark.parametrize("flags", [Namespace(), Namespace(samples_per_plugin=None), Namespace(samples_per_plugin="featuremaps=3")])
def test_unknown_flags_are_left_alone(flags):
    before = dict(vars(flags))
    FeatureMapsLoader().fix_flags(flags)
    assert vars(flags) == before


def test_a_plugin_that_cannot_be_made_is_a_warning(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tb_featuremap_plugin.server.plugin", None)
    assert FeatureMapsLoader().load(TBContext()) is None
    assert "could not be loaded" in caplog.text


def test_loading_is_light_and_needs_no_tensorflow():
    code = (
        "import sys; from tb_featuremap_plugin.server.loader import FeatureMapsLoader; loader = sorted(sys.modules);"
        "from tb_featuremap_plugin.server import plugin, api;"
        "from tb_featuremap_plugin.reading import events, queries;"
        "heavy = {'tensorflow', 'torch', 'jax', 'keras'};"
        "print(sorted(heavy & set(sys.modules)), 'tb_featuremap_plugin.server.plugin' in loader, 'numpy' in loader)"
    )
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["[]", "False", "False"]
