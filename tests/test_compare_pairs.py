"""`compare` on pairs of real trainings: one planted change in each, or none; what was planted is the truth that it is held against."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch")

from tb_featuremap_plugin.comparing import compare  # noqa: E402
from tb_featuremap_plugin.reading.events import EventSource  # noqa: E402
from tests.support.paired_trainings import ACTIVATIONS, DENSE, KERNELS, NETWORKS, STEPS, Plant, train  # noqa: E402

pytestmark = pytest.mark.torch


def planted(kind, number):
    """The n-th of a kind: another network, seed, layer and step."""
    network = list(NETWORKS)[number % 3]
    seed = number % 4
    places = {"op": ACTIVATIONS, "dtype": DENSE}.get(kind, KERNELS)[network]
    layer = None if kind == "batch" else places[(number * 2 + number // 3) % len(places)]
    step = {"scale": 0, "dtype": 0}.get(kind, 1 + (number * 5) % (STEPS - 1))
    if kind == "op" and number % 3 == 0:
        step = 0
    return network, seed, Plant(kind, step, layer, early=kind == "weight" and number % 4 == 3)


COUNTS = {"weight": 8, "scale": 6, "batch": 7, "op": 7, "dtype": 5, "frozen": 7}
PLANTED = [planted(kind, number) for kind, count in COUNTS.items() for number in range(count)]
SAME = list(itertools.islice(itertools.product(NETWORKS, range(7)), 20))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The training without a change, made once for each network and seed."""
    known = {}

    def made(network, seed):
        if (network, seed) not in known:
            known[network, seed] = folder = tmp_path_factory.mktemp("reference")
            train(folder, network, seed)
        return known[network, seed]

    return made


def compared(a, b):
    (first, source_a), (second, source_b) = opened(a), opened(b)
    return compare(first, second, source_a, source_b)


def opened(logdir):
    source = EventSource(logdir)
    (outline,) = source.outlines()
    return source.run(outline.name), source


def test_a_planted_change_is_found_where_it_is(reference, tmp_path):
    wrong, kinds = [], []
    for place, (network, seed, plant) in enumerate(PLANTED):
        folder = tmp_path / str(place)
        train(folder, network, seed, plant)
        found = compared(reference(network, seed), folder)
        kinds.append(found.what)
        if found.same or (found.step, found.layer) != (plant.step, plant.layer):
            wrong.append((network, seed, plant, found.message))
    assert len(PLANTED) == 40
    assert len(PLANTED) - len(wrong) >= 36, "\n".join(map(str, wrong))
    assert {"weights", "output", "dtype"} <= set(kinds)


def test_two_trainings_of_one_seed_are_the_same(reference, tmp_path):
    for network, seed in SAME:
        folder = tmp_path / f"{network}{seed}"
        train(folder, network, seed)
        found = compared(reference(network, seed), folder)
        assert (found.same, found.kind, found.step, found.rows) == (True, "the same", None, ()), found.message
    assert len(SAME) == 20


def test_float_noise_is_no_parting(reference, tmp_path):
    """Twenty pairs in which every weight is changed by noise after every update, of 1e-7 or 1e-6 of its size."""
    parted = []
    for place, (network, seed) in enumerate(SAME):
        folder = tmp_path / f"{network}{seed}"
        train(folder, network, seed, noise=(1e-7, 1e-6)[place % 2])
        found = compared(reference(network, seed), folder)
        if not found.same:
            parted.append((network, seed, found.message))
        assert found.same is False or "within float noise" in found.message
    assert not parted


@pytest.mark.parametrize("seed", [2, 3])
def test_two_threads_are_no_parting(seed, reference, tmp_path):
    """Of convolutions: dense layers of this size give the same bits. With Adam (3), biases before a normalisation differ by updates."""
    torch.set_num_threads(2)
    try:
        train(tmp_path / "two", "conv", seed)
    finally:
        torch.set_num_threads(1)
    assert compared(reference("conv", seed), tmp_path / "two").same


@pytest.mark.parametrize(
    ("network", "seed", "kind"),
    [("dense", 0, "frozen"), ("conv", 1, "op"), ("wide", 2, "batch"), ("conv", 2, "frozen"), ("conv", 3, "batch")],
)
def test_a_change_is_found_among_noise(network, seed, kind, reference, tmp_path):
    layer = {"frozen": KERNELS, "op": ACTIVATIONS}[kind][network][1] if kind != "batch" else None
    train(tmp_path / "b", network, seed, Plant(kind, 6, layer), noise=1e-7)
    found = compared(reference(network, seed), tmp_path / "b")
    assert (found.step, found.layer) == (6, layer), found.message
    assert "within float noise" in found.message


def test_two_seeds_start_differently(reference):
    for network in NETWORKS:
        found = compared(reference(network, 0), reference(network, 2))
        assert found.kind == "different starts (other seeds)", found.message
        assert (found.same, found.step, found.layer) == (False, None, None)


def test_runs_with_other_schedules_are_compared_where_they_meet(reference, tmp_path):
    train(tmp_path / "same", "dense", 0, every=4)
    found = compared(reference("dense", 0), tmp_path / "same")
    assert found.same
    assert any("different steps" in note for note in found.notes)
    train(tmp_path / "other", "dense", 0, Plant("batch", 7), every=4)
    found = compared(reference("dense", 0), tmp_path / "other")
    assert (found.step, found.what) == (7, "loss"), "the loss is known at every step"


def test_without_pictures_the_tables_are_compared(reference, tmp_path):
    train(tmp_path / "b", "dense", 0, Plant("scale", 0, "fc2"))
    (first, _), (second, _) = opened(reference("dense", 0)), opened(tmp_path / "b")
    found = compare(first, second)
    assert (found.step, found.layer, found.variable, found.channel) == (0, "fc2", "fc2.weight", None)
