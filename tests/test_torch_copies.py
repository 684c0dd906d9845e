"""What layers put out is copied once: the record looks into the copy that the pass made."""

from __future__ import annotations

import numpy as np
import torch

from tb_featuremap_plugin.arrays.dense import OURS_ALONE
from tb_featuremap_plugin.arrays.tensors import whole_snapshot
from tb_featuremap_plugin.integrations.torch.followed_model import FollowedModel
from tb_featuremap_plugin.integrations.torch.together import Passes


def test_outputs_are_copied_once_and_stay_what_they_were():
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(inplace=True))
    probe = torch.ones(2, 1, 5, 5)
    captured = FollowedModel(model, probe, None, (), Passes(model, None)).activations()
    truth = model[0](probe).detach().numpy()
    array = whole_snapshot(captured["0"], "activations")
    assert np.shares_memory(array, captured["0"].numpy())
    np.testing.assert_array_equal(array, truth)


def test_tensors_of_others_are_copied():
    tensor = torch.arange(6.0)
    array = whole_snapshot(tensor, "weights")
    tensor += 1
    np.testing.assert_array_equal(array, np.arange(6.0))
    assert not hasattr(tensor.clone(), OURS_ALONE)
