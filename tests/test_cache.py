"""What is kept between requests: bounded, and never older than its key."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest

from tb_featuremap_plugin.reading.cache import Cache
from tb_featuremap_plugin.reading.run import PictureSeries
from tb_featuremap_plugin.server.picture_versions import PictureVersions


def test_the_values_used_last_are_kept():
    cache = Cache(3, len)
    for key in "abc":
        cache.get(key, lambda: "x")
    cache.get("a", lambda: pytest.fail("a is kept"))
    cache.get("d", lambda: "xx")
    assert [cache.peek(key) for key in "abcd"] == ["x", None, None, "xx"]


def test_a_value_that_is_too_heavy_is_not_kept():
    cache = Cache(3, len)
    assert cache.get("a", lambda: "xxxx") == "xxxx"
    assert cache.peek("a") is None


def test_putting_again_replaces():
    cache = Cache(3, len)
    for value in ("x", "xx", "xxx", "x"):
        cache.put("a", value)
    cache.put("b", "xx")
    assert (cache.peek("a"), cache.peek("b")) == ("x", "xx")


def test_a_later_version_takes_the_place_of_the_one_before():
    cache = Cache(3, len)
    for version in range(10):
        assert cache.get("live", partial(str, version), version) == str(version)
    cache.get("live", lambda: pytest.fail("this version is kept"), 9)
    assert cache.get("live", lambda: "0", 0) == "0"
    cache.put("other", "xx")
    assert (len(cache), cache.peek("live"), cache.peek("other")) == (2, "0", "xx")


def test_a_later_version_that_is_too_heavy_ends_the_one_before():
    cache = Cache(3, len)
    cache.put("live", "x", 1)
    cache.put("live", "xxxx", 2)
    cache.put("other", "xxx")
    assert (cache.peek("live"), cache.peek("other")) == (None, "xxx")


def test_a_failure_is_not_kept():
    cache = Cache(3, len)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: "x" * (1 // 0))
    assert cache.get("a", lambda: "x") == "x"


def test_who_asks_for_what_is_being_computed_waits_for_it():
    cache = Cache(3, len)
    started, finish, computed, got = threading.Event(), threading.Event(), [], []

    def compute():
        computed.append(1)
        started.set()
        assert finish.wait(60)
        return "x"

    first = threading.Thread(target=lambda: got.append(cache.get("a", compute)))
    first.start()
    assert started.wait(60)
    others = [threading.Thread(target=lambda: got.append(cache.get("a", compute))) for _ in range(4)]
    for thread in others:
        thread.start()
    finish.set()
    for thread in (first, *others):
        thread.join(60)
    assert (got, computed) == (["x"] * 5, [1])


def test_many_threads_share_a_cache():
    cache: Cache[int] = Cache(50, lambda value: 1)
    wrong = []

    def work(seed):
        for index in range(2000):
            key = (seed * 7 + index) % 80
            if cache.get(key, partial(int, key)) != key:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(cache.peek(key) is not None for key in range(80)) <= 50


def picture(times):
    return PictureSeries("maps", "conv1", np.array(list(times), np.int64), np.array(list(times.values()), np.float64))


def test_new_and_evicted_steps_keep_a_version_and_rewritten_ones_change_it():
    versions = PictureVersions("s")
    first = versions.version("", "run", picture({0: 1, 1: 2}))
    assert versions.version("", "run", picture({0: 1, 1: 2, 2: 3})) == first
    assert versions.version("", "run", picture({0: 1, 2: 3})) == first
    again = versions.version("", "run", picture({0: 1, 1: 9}))
    assert again != first
    assert versions.version("", "run", picture({0: 1, 1: 9})) == again
    assert versions.version("", "other", picture({0: 1})) not in (first, again)


def test_forgotten_versions_never_come_back(monkeypatch):
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_REMEMBERED_SERIES", 2)
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_REMEMBERED_STEPS", 3)
    versions = PictureVersions("s")
    seen = [versions.version("", f"run{index % 3}", picture({index: 1.0})) for index in range(20)]
    assert len(set(seen)) > 10
    many = [versions.version("", "run", picture(dict.fromkeys(range(count), 1.0))) for count in range(3, 7)]
    assert many[0] == many[1]
    assert many[-1] != many[0]
