"""Axes of what torch networks of every build put out, against what moves when one sample or one channel is changed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tb_featuremap_plugin.integrations.torch.call_trace import trace  # noqa: E402
from tests.support.known import record_of  # noqa: E402
from tests.support.monitored import layer_numbers, picture, picture_names, pixels, read_run  # noqa: E402
from tests.support.torch_axes_oracle import judge  # noqa: E402
from tests.torch_networks import NETWORKS  # noqa: E402

WITHOUT_SAMPLES = {"GPT": ["p"]}
"""Layers that the input does not reach: a table of positions."""


def probe_of(name):
    _, shape, _, ids = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 7, shape, generator=generator) if ids else torch.randn(shape, generator=generator)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layout_is_true(name):
    torch.manual_seed(0)
    cls, _, axis, _ = NETWORKS[name]
    verdict = judge(cls(), probe_of(name), axis)
    assert verdict.wrong == []
    assert verdict.unknown == WITHOUT_SAMPLES.get(name, [])
    assert verdict.true


def layouts(model, *probe):
    model.eval()
    with torch.no_grad():
        found = trace(model, lambda: model(*probe))
    return {call.name: call.arrangement.layout if call.arrangement else "unknown" for call in found.calls}


def test_windows_become_the_map_that_they_were_cut_from(tmp_path):
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 1), nn.Linear(4, 5)

        def forward(self, x):
            x = self.conv(x).permute(0, 2, 3, 1)
            return self.linear(x.view(-1, 2, 4, 2, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 4))

    model, probe = Windows(), torch.randn(3, 3, 8, 8)
    fm.torch.watch(model, tmp_path, probe=probe, precision="float32", strict=True).close()
    maps = picture(tmp_path, "maps", "linear", 0)
    assert (maps.header["layout"], maps.header["shape"]) == ("NHWC", [3, 5, 8, 8])
    expected = model.linear(model.conv(probe).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    np.testing.assert_allclose(pixels(maps), expected.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_time_that_was_merged_into_the_batch_is_space(tmp_path):
    class Frames(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x.transpose(1, 2).flatten(0, 1))

    model, probe = Frames(), torch.randn(2, 3, 5, 8, 8)
    fm.torch.watch(model, tmp_path, probe=probe, precision="float32", strict=True).close()
    maps = picture(tmp_path, "maps", "conv", 0)
    assert (maps.header["layout"], maps.header["shape"]) == ("NCDHW", [2, 4, 5, 6, 6])
    np.testing.assert_allclose(pixels(maps)[1, :, 3], model.conv(probe[1:2, :, 3]).detach().numpy()[0], rtol=1e-4, atol=1e-5)


def test_of_unknown_axes_all_entries_are_counted_and_nothing_is_drawn(tmp_path):
    class Scrambled(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 4, 1), nn.ReLU()

        def forward(self, x):
            return self.relu(self.conv(x).reshape(5, -1))

    model, probe = Scrambled(), torch.randn(3, 3, 5, 5)
    fm.torch.watch(model, tmp_path, probe=probe, strict=True).close()
    run = read_run(tmp_path)
    assert {layer.name: layer.layout for layer in record_of(run).layers} == {"conv": "NCHW", "relu": "unknown"}
    assert picture_names(run, "maps") == {"conv"}
    values = model(probe).detach().numpy()
    assert layer_numbers(run, "relu", "mean")[0] == pytest.approx(values.mean(), rel=1e-5)
    assert layer_numbers(run, "relu", "zeros")[0] == pytest.approx((values == 0).mean())
    assert "not certain which of its axes" in record_of(run).left_out["maps/relu"]
    assert all(np.isnan(layer_numbers(run, "relu", column)[0]) for column in ("samples", "units", "dead_units", "input_share"))


def test_a_layout_that_the_user_says_is_taken(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    fm.torch.watch(model, tmp_path, probe=torch.randn(2, 3, 5, 6), layouts={"1": "NHWC", "*": "channels_first"}, strict=True).close()
    assert picture(tmp_path, "maps", "0", 0).header["shape"] == [2, 4, 5, 6]
    assert picture(tmp_path, "maps", "1", 0).header["shape"] == [2, 6, 4, 5]


def test_a_recurrent_layer_that_takes_time_first_tells_what_the_probe_has_first():
    assert layouts(nn.LSTM(5, 7), torch.randn(6, 3, 5)) == {"lstm": "WNC"}
    assert layouts(nn.LSTM(5, 7, batch_first=True), torch.randn(3, 6, 5)) == {"lstm": "NWC"}
    assert layouts(nn.Sequential(nn.Linear(5, 5), nn.TransformerEncoderLayer(5, 1, 4)), torch.randn(6, 3, 5))["0"] == "WNC"


@pytest.mark.parametrize(
    ("model", "shape", "layout", "stored"),
    [
        (nn.LSTM(5, 7, batch_first=True), (3, 6, 5), "NWC", [3, 5, 6]),
        (nn.LSTM(5, 7), (6, 3, 5), "WNC", [3, 5, 6]),
        (nn.Sequential(nn.Dropout(), nn.Conv1d(5, 7, 3)), (3, 5, 6), "NCW", [3, 5, 6]),
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU()), (3, 6, 5), "NWC", [3, 5, 6]),
    ],
)
def test_the_probe_is_drawn_by_what_the_model_takes_it_for(tmp_path, model, shape, layout, stored):
    fm.torch.watch(model, tmp_path, probe=torch.randn(shape), strict=True).close()
    inputs = picture(tmp_path, "inputs", "input", 0).header
    assert (inputs["layout"], inputs["shape"]) == (layout, stored)
    assert layer_numbers(read_run(tmp_path), "@inputs", "samples")[0] == 3


def padded(images):
    batch = images[0].new_zeros(len(images), 3, 9, 9)
    for index, image in enumerate(images):
        batch[index, :, : image.shape[1], : image.shape[2]].copy_(image)
    return batch


@pytest.mark.parametrize("together", [torch.stack, padded, lambda images: torch.cat([image[None] for image in images])])
def test_images_in_a_list_are_samples_when_they_are_put_together(together):
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            return self.conv(together([(image - 0.5) / 0.2 for image in images]))

    assert layouts(Listed(), [torch.randn(3, 8, 8) for _ in range(2)]) == {"conv": "NCHW"}


def test_a_model_that_does_not_go_with_modes_is_still_followed():
    class Stubborn(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 5)

        def forward(self, x):
            if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
                raise RuntimeError("no modes here")
            return self.linear(x)

    assert layouts(Stubborn(), torch.randn(3, 4)) == {"linear": "NC"}
