"""Steps of a torch training are its finished updates, with the weights, rates and gradients that these had."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402
from tests.support.known import record_of, variables_of  # noqa: E402
from tests.support.monitored import losses, numbers, picture_names, progress, read_run  # noqa: E402

PROBE = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def batch(number):
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(number + 1))


def loss_of(model, number):
    return model(batch(number)).square().mean()


def norm(model, name="0.weight"):
    return float(dict(model.named_parameters())[name].detach().double().norm())


@pytest.mark.parametrize("given", [True, False])
def test_calls_between_accumulated_gradients_are_no_steps(tmp_path, given):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    norms, means, micro = [norm(model)], [], []
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, optimizer=optimizer if given else None) as watcher:
        for number in range(12):
            loss = loss_of(model, number)
            loss.backward()
            micro.append(float(loss.detach()))
            if number % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
                norms.append(norm(model))
                means.append(np.mean(micro))
                micro = []
            watcher.step(loss)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == list(range(len(norms)))
    assert list(numbers(run, "0.weight", "norm").values()) == pytest.approx(norms, rel=1e-6)
    assert list(losses(run).values())[-3:] == pytest.approx(means, rel=1e-6)
    assert all(value > 0 for value in list(numbers(run, "0.weight", "update_norm").values())[-3:])
    assert list(numbers(run, "0.weight", "gap").values())[-2:] == [1, 1]


def test_an_update_that_a_scaler_skips_is_no_step(tmp_path):
    model = network()
    optimizer, scaler = torch.optim.SGD(model.parameters(), 0.1), torch.amp.GradScaler("cpu", init_scale=8.0)
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, optimizer=optimizer) as watcher:
        for number in range(6):
            optimizer.zero_grad()
            loss = loss_of(model, number)
            scaler.scale(loss).backward()
            if number in (0, 3):
                model[0].weight.grad[0, 0] = float("inf")
            scaler.step(optimizer)
            scaler.update()
            watcher.step(loss)
    run = read_run(tmp_path)
    assert variables_of(run).steps.tolist() == [0, 1, 2, 3, 4]
    assert all(value > 0 for value in list(numbers(run, "0.weight", "update_norm").values())[1:])


def test_updates_by_hand_are_steps(tmp_path):
    model = network()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for number in range(3):
            for parameter, gradient in zip(
                model.parameters(), torch.autograd.grad(loss_of(model, number), list(model.parameters())), strict=True
            ):
                parameter.data -= 0.1 * gradient
            watcher.step()
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 3]


def test_gradients_are_those_of_the_update_also_where_they_are_cleared_before_the_call(tmp_path):
    for set_to_none in (True, False):
        model, expected = network(), []
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with fm.torch.watch(model, tmp_path / str(set_to_none), probe=PROBE, every=1, strict=True) as watcher:
            for number in range(3):
                loss_of(model, number).backward()
                expected.append(float(model[0].weight.grad.double().norm()))
                optimizer.step()
                optimizer.zero_grad(set_to_none=set_to_none)
                watcher.step()
        found = numbers(read_run(tmp_path / str(set_to_none)), "0.weight", "gradient_norm")
        assert [found[step] for step in (1, 2, 3)] == pytest.approx(expected, rel=1e-6)


def test_of_two_optimizers_each_gives_the_gradients_of_its_own_parameters(tmp_path):
    model = network()
    first, second = torch.optim.SGD(model[0].parameters(), 0.1), torch.optim.Adam(model[2].parameters(), 0.2)
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, optimizer=[first, second]) as watcher:
        loss_of(model, 0).backward()
        expected = float(model[0].weight.grad.norm())
        first.step()
        loss_of(model, 1).backward()  # adds to the gradients of the first, which is done
        second.step()
        watcher.step()
    run = read_run(tmp_path)
    assert numbers(run, "0.weight", "gradient_norm")[1] == pytest.approx(expected, rel=1e-6)
    assert progress(run, "learning_rate")[1] == pytest.approx(0.1)
    assert record_of(run).optimizer == "sgd"


def test_the_learning_rate_is_that_of_the_update(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.8)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    used = []
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for number in range(5):
            optimizer.zero_grad()
            loss_of(model, number).backward()
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
            watcher.step()
    assert progress(read_run(tmp_path), "learning_rate")[1:] == pytest.approx(used)


@pytest.mark.parametrize("how", ["load_state_dict", "averaged", "other memory"])
def test_the_last_record_never_shows_weights_of_another_step(tmp_path, how):
    model = network()
    best = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=100, strict=True) as watcher:
        for number in range(7):
            optimizer.zero_grad()
            loss_of(model, number).backward()
            optimizer.step()
            watcher.step(1.0)
        at_the_end = norm(model)
        if how == "load_state_dict":
            model.load_state_dict(best)
        for name, parameter in model.named_parameters() if how != "load_state_dict" else ():
            if how == "averaged":
                parameter.data.lerp_(best[name], 0.5)
            else:
                parameter.data = best[name]
    run = read_run(tmp_path)
    found = numbers(run, "0.weight", "norm")
    shown = found.get(7, float("nan"))
    assert shown == pytest.approx(at_the_end, rel=1e-6) if how == "load_state_dict" else np.isnan(shown)
    assert max(losses(run)) == 7
    assert "changed after step 7" in record_of(run).left_out["activations"]


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")  # what Dynamo says of optimizers, which pytest would raise in its middle
def test_compiled_optimizer_steps_are_updates(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    @torch.compile(backend="eager")
    def update():
        optimizer.step()

    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, optimizer=optimizer) as watcher:
        for number in range(3):
            optimizer.zero_grad()
            loss_of(model, number).backward()
            update()
            watcher.step()
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 3]


def test_an_optimizer_of_another_model_counts_nothing(tmp_path):
    model, other = network(), network()
    mine, others = torch.optim.SGD(model.parameters(), 0.1), torch.optim.SGD(other.parameters(), 0.1)
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True, optimizer=mine) as watcher:
        for number in range(4):
            for network_, optimizer in ((other, others), (model, mine)) if number % 2 else ((other, others),):
                optimizer.zero_grad()
                loss_of(network_, number).backward()
                optimizer.step()
            watcher.step()
    assert variables_of(read_run(tmp_path)).steps.tolist()[-1] <= 3


def test_hooks_are_gone_after_close(tmp_path):
    from torch.optim import optimizer as module

    before = (len(module._global_optimizer_pre_hooks), len(module._global_optimizer_post_hooks))
    model = network()
    watcher = fm.torch.watch(model, tmp_path, probe=PROBE, strict=True)
    watcher.close()
    del watcher
    assert (len(module._global_optimizer_pre_hooks), len(module._global_optimizer_post_hooks)) == before
    assert not model._load_state_dict_pre_hooks


def test_a_model_that_is_saved_while_it_is_watched_needs_no_package_of_ours(tmp_path):
    model = network()
    with fm.torch.watch(model, tmp_path, probe=PROBE, strict=True):
        saved = io.BytesIO()
        torch.save(model, saved)
        copied = copy.deepcopy(model)
    assert b"tb_featuremap" not in saved.getvalue()
    saved.seek(0)
    for one in (copied, torch.load(saved, weights_only=False)):
        one.load_state_dict({name: torch.ones_like(value) for name, value in model.state_dict().items()})
        assert all(bool((parameter == 1).all()) for parameter in one.parameters())


def test_calls_that_change_weights_unseen_are_steps(tmp_path):
    """An optimizer of the user's own that writes behind torch's back, with gradients that are never cleared."""
    model = network()
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        for number in range(3):
            loss = loss_of(model, number)
            loss.backward()
            for parameter in model.parameters():
                parameter.detach().numpy()[...] -= 0.1 * parameter.grad.numpy()
            watcher.step(loss)
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2, 3]


def test_a_watcher_kept_in_a_module_is_copied_and_saved_with_it(tmp_path):
    model = network()
    model.watcher = fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True)
    model.watcher.step(1.0)
    saved = io.BytesIO()
    torch.save(model, saved)
    saved.seek(0)
    copies = [copy.deepcopy(model), torch.load(saved, weights_only=False), pickle.loads(pickle.dumps(model))]
    for one in copies:
        one.load_state_dict(model.state_dict())
        with pytest.warns(RuntimeWarning, match="logs nothing"):
            one.watcher.step(1.0)
        one.watcher.close()
        assert "logs nothing" in repr(one.watcher)
    assert copy.copy(model).watcher is model.watcher
    model.watcher.step(1.0)
    model.watcher.close()
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:feature maps are logged without loss")
@pytest.mark.parametrize("loss", [None, {"a": 1.0}, torch.ones(3), torch.ones(2, 2), "nothing", object(), [1.0, 2.0], torch.zeros(0)])
def test_no_loss_ends_a_training(tmp_path, loss):
    with fm.torch.watch(network(), tmp_path, probe=PROBE, every=1) as watcher:
        watcher.step(loss)
        watcher.step(loss)
    assert variables_of(read_run(tmp_path)).steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("given", "step"), [(torch.tensor(3), 3), (3.0, 3), (np.int64(3), 3)])
def test_first_steps_of_any_whole_kind(tmp_path, given, step):
    with fm.torch.watch(network(), tmp_path, probe=PROBE, first_step=given, strict=True):
        pass
    assert variables_of(read_run(tmp_path)).steps.tolist() == [step]


@pytest.mark.parametrize("given", ["3", 2.5, None, -1])
def test_other_first_steps_are_told(tmp_path, given):
    with pytest.raises((TypeError, ValueError), match="first_step is"):
        fm.torch.watch(network(), tmp_path, probe=PROBE, first_step=given)


def test_probes_of_all_forms(tmp_path):
    from collections import UserDict

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x, scale=None):
            return self.layer(x) * (1.0 if scale is None else scale)

    class WholeBatch(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, batch):
            return self.layer(batch["x"] if isinstance(batch, dict) else batch[0])

    two = torch.full((6, 1), 2.0)
    for index, (kind, probe) in enumerate(
        [
            (Named, PROBE),
            (Named, (PROBE, torch.zeros(6, 2))),
            (Named, [PROBE, two]),
            (Named, {"x": PROBE, "scale": two}),
            (Named, UserDict({"x": PROBE, "scale": two})),
            (WholeBatch, {"x": PROBE}),
            (WholeBatch, [PROBE, two]),
        ]
    ):
        with fm.torch.watch(kind(), tmp_path / str(index), probe=probe, strict=True):
            pass
        assert picture_names(read_run(tmp_path / str(index)), "maps") == {"layer"}


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (torch.utils.data.DataLoader([1, 2]), "DataLoader"),
        (iter([PROBE]), "list_iterator"),
        (None, "NoneType"),
        (PROBE.numpy(), r"numpy.ndarray of shape \(6, 4\)"),
        (["a.png", "b.png"], "'a.png'"),
        ({"nonsense": PROBE}, "'nonsense': a tensor of shape"),
        (torch.zeros(6, 7), r"a tensor of shape \(6, 7\)"),
    ],
)
def test_a_probe_that_does_not_fit_is_told_with_what_is_allowed(tmp_path, probe, words):
    with pytest.raises((TypeError, ValueError), match=rf"probe.*{words}[\s\S]*allowed are a tensor"):
        fm.torch.watch(network(), tmp_path, probe=probe)


def test_other_wrong_arguments_are_told(tmp_path):
    with pytest.raises(TypeError, match=r"optimizer is .*lambda.*allowed are a torch.optim.Optimizer"):
        fm.torch.watch(network(), tmp_path, probe=PROBE, optimizer=lambda: 1)
    with pytest.raises(TypeError, match=r"model is .*allowed is a torch.nn.Module"):
        fm.torch.watch(F.relu, tmp_path, probe=PROBE)
