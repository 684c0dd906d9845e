"""What a pass of the probe may do to Python objects: iterators go on where they were, what others use is left alone, the rest is named."""

from __future__ import annotations

import csv
import functools
import itertools
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from tb_featuremap_plugin.integrations.common.other_threads import others_run_users_code
from tb_featuremap_plugin.integrations.common.progress import progress
from tb_featuremap_plugin.integrations.common.python_state import PythonState
from tb_featuremap_plugin.integrations.common.stand_ins import stand_in

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import tb_featuremap_plugin as fm  # noqa: E402

PROBE = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))

ITERATORS = {
    "list": lambda: iter([1, 2, 3, 4, 5, 6]),
    "tuple": lambda: iter((1, 2, 3, 4, 5, 6)),
    "range": lambda: iter(range(6)),
    "wide range": lambda: iter(range(1 << 70, (1 << 70) + 6)),
    "text": lambda: iter("abcdef"),
    "bytes": lambda: iter(b"abcdef"),
    "dict": lambda: iter(dict.fromkeys("abcdef", 1)),
    "items": lambda: iter(dict.fromkeys("abcdef", 1).items()),
    "reversed": lambda: reversed([1, 2, 3, 4, 5, 6]),
    "enumerate": lambda: enumerate("abcdef"),
    "zip": lambda: zip("abcdef", itertools.count(), strict=False),
    "map": lambda: map(str, range(6)),
    "filter": lambda: filter(None, [0, 1, 2, 0, 3, 4, 5]),
    "count": lambda: itertools.count(5),
    "count by parts": lambda: itertools.count(0.5, 0.25),
    "cycle": lambda: itertools.cycle("abcd"),
    "chain": lambda: itertools.chain("ab", [1, 2], "cd"),
    "slice": lambda: itertools.islice(itertools.count(), 1, 30, 3),
    "sums": lambda: itertools.accumulate([1, 2, 3, 4, 5, 6]),
    "product": lambda: itertools.product("ab", "cd", "ef"),
    "permutations": lambda: itertools.permutations("abc"),
    "repeat": lambda: itertools.repeat(1, 6),
}


def ahead(iterator, number):
    return list(itertools.islice(iterator, number))


@pytest.mark.parametrize("name", ITERATORS)
@pytest.mark.parametrize("begun", [0, 1, 3, 5])
def test_a_copy_of_an_iterator_goes_on_and_the_original_stays(name, begun):
    """The oracle is another iterator of the same kind, which nobody copies."""
    make = ITERATORS[name]
    iterator, other = make(), make()
    assert ahead(iterator, begun) == ahead(other, begun)
    copy = stand_in(iterator)
    expected = ahead(other, 6)
    assert ahead(copy, 6) == expected
    assert ahead(iterator, 6) == expected


def test_iterators_over_generators_have_no_copy():
    assert stand_in(zip((number for number in range(9)), [1], strict=False)) is None


def test_a_stand_in_of_a_cached_function_leaves_the_cache_alone():
    calls = []

    @functools.lru_cache(maxsize=1)
    def slow(x):
        calls.append(x)
        return x

    slow(1)
    before = slow.cache_info()
    assert [stand_in(slow)(number) for number in (1, 2, 2)] == [1, 2, 2]
    assert slow.cache_info() == before
    assert calls == [1, 1, 2, 2]


class Meter:
    def __init__(self):
        self.lock = threading.Lock()
        self.values = []


def test_what_another_thread_uses_is_left_alone():
    meter, go_on, begun = Meter(), threading.Event(), threading.Event()

    def use():
        begun.set()
        go_on.wait(30)

    thread = threading.Thread(target=use)
    thread.start()
    begun.wait(30)
    try:
        assert others_run_users_code()
        state = PythonState([meter], lambda thing: None)
        before = progress(meter)
        meter.values.append(1)
        state.put_back()
        assert meter.values == [1]
        assert state.unguarded == [meter]
        assert progress(meter) != before
    finally:
        go_on.set()
        thread.join()
    state = PythonState([meter], lambda thing: None)
    meter.values.append(2)
    state.put_back()
    assert meter.values == [1]


class Body(nn.Module):
    def __init__(self, kept):
        super().__init__()
        self.first, self.last, self.kept = nn.Linear(6, 6), nn.Linear(6, 2), kept

    def forward(self, x):
        self.use()
        return self.last(self.first(x))


class Generates(Body):
    def use(self):
        next(self.kept)


class Writes(Body):
    def use(self):
        self.kept.write("a line\n")


class WritesRows(Body):
    def use(self):
        self.kept.writerow([1])


class PullsTuple(Body):
    def use(self):
        next(self.kept[0])


class Loads(Body):
    def use(self):
        next(self.kept)


def loader_iterator():
    return iter(torch.utils.data.DataLoader(torch.utils.data.TensorDataset(PROBE), 1))


@pytest.mark.parametrize("kind", [Generates, Writes, WritesRows, PullsTuple, Loads])
def test_what_cannot_be_put_back_is_said_once_with_the_modules_name(kind, tmp_path):
    with tempfile.TemporaryFile("w+") as file:
        kept = {
            Generates: (number for number in range(1000)),
            Writes: file,
            WritesRows: csv.writer(file),
            PullsTuple: (itertools.count(),),
            Loads: loader_iterator(),
        }[kind]
        model = nn.Sequential(kind(kept), nn.ReLU())
        with pytest.warns(RuntimeWarning, match="changes what") as caught:
            watcher = fm.torch.watch(model, tmp_path, probe=PROBE, every=1)
        watcher.step()
        watcher.close()
        assert [str(one.message).partition(" keeps")[0] for one in caught] == [f"a pass of the probe changes what 0 ({kind.__name__})"]


def test_what_is_moved_on_later_is_said_then(tmp_path):
    class Late(Generates):
        calls = 0

        def use(self):
            if self.calls > 2:
                super().use()

    model = Late(number for number in range(9))
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1) as watcher:
        watcher.step()
        model.calls = 3
        with pytest.warns(RuntimeWarning, match="changes what the model .Late. keeps"):
            watcher.step()
        watcher.step()


def test_a_forward_that_leaves_them_alone_in_evaluation_mode_is_not_blamed(tmp_path):
    class Careful(Generates):
        def use(self):
            if self.training:
                super().use()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fm.torch.watch(Careful(number for number in range(9)), tmp_path, probe=PROBE, every=1) as watcher:
            watcher.step()


def test_a_model_that_keeps_a_nested_tensor_is_logged(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype, says torch
        kept = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    model.kept = kept
    with fm.torch.watch(model, tmp_path, probe=PROBE, every=1, strict=True) as watcher:
        watcher.step()
    assert model.kept is kept


def test_a_pool_that_waits_for_something_to_do_runs_nothing_of_the_users():
    before = others_run_users_code()
    begun, end = threading.Event(), threading.Event()

    def work():
        begun.set()
        end.wait(60)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        deadline = time.monotonic() + 60
        while others_run_users_code() != before and time.monotonic() < deadline:
            time.sleep(0.01)  # the thread is on its way back to its queue
        assert others_run_users_code() == before
        pool.submit(work)
        begun.wait(60)
        assert others_run_users_code()
        end.set()
