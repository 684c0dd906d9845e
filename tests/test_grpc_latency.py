"""Calls of the native data server come with tiny ones that keep its answers from stalling, and answer as they would without."""

from __future__ import annotations

import threading
import time

import pytest
from tensorboard import errors
from tensorboard.context import RequestContext
from tensorboard.data.grpc_provider import GrpcDataProvider
from tensorboard.data.provider import RunTagFilter

from tb_featuremap_plugin.reading import grpc_latency
from tb_featuremap_plugin.reading.grpc_latency import LowLatencyProvider, low_latency
from tb_featuremap_plugin.schema import tags
from tests.support import logdirs
from tests.support.providers import loaded

WAIT_SECONDS = 60


class Unanswered:
    """Answers `list_runs` only after so many tiny calls have come."""

    def __init__(self, needed: int, fails: bool = False) -> None:
        self.nudges: list[tuple[object, str]] = []
        self._needed, self._fails = needed, fails
        self._come = threading.Condition()

    def experiment_metadata(self, ctx, *, experiment_id):
        with self._come:
            self.nudges.append((ctx, experiment_id))
            self._come.notify_all()
        if self._fails:
            raise errors.NotFoundError("no such experiment")

    def list_runs(self, ctx, *, experiment_id):
        with self._come:
            assert self._come.wait_for(lambda: len(self.nudges) >= self._needed, WAIT_SECONDS), "nothing was sent while the answer was due"
        return [experiment_id]


def test_a_call_that_is_not_answered_is_followed_by_tiny_ones_of_the_same_caller():
    server, context = Unanswered(3), RequestContext()
    assert LowLatencyProvider(server).list_runs(context, experiment_id="mine") == ["mine"]
    assert set(server.nudges) == {(context, "mine")}


def test_what_becomes_of_the_tiny_calls_matters_to_nobody():
    server = Unanswered(2, fails=True)
    assert LowLatencyProvider(server).list_runs(RequestContext(), experiment_id="mine") == ["mine"]


def test_a_call_that_waits_for_long_is_followed_by_few():
    server = Unanswered(grpc_latency._NUDGES)
    LowLatencyProvider(server).list_runs(RequestContext(), experiment_id="")
    assert len(server.nudges) == grpc_latency._NUDGES


def test_callers_from_many_threads_are_all_answered():
    server = Unanswered(1)
    provider = LowLatencyProvider(server)
    answers = []
    threads = [
        threading.Thread(target=lambda i=i: answers.append(provider.list_runs(RequestContext(), experiment_id=str(i)))) for i in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert sorted(answers) == sorted([str(i)] for i in range(16))


def test_the_thread_ends_when_nothing_is_asked_and_comes_back(monkeypatch):
    monkeypatch.setattr(grpc_latency, "_IDLE_SECONDS", 0.01)
    server = Unanswered(1)
    provider = LowLatencyProvider(server)
    before = set(threading.enumerate())
    provider.list_runs(RequestContext(), experiment_id="")
    deadline = time.monotonic() + WAIT_SECONDS
    while any(thread.name == "featuremaps-latency" for thread in set(threading.enumerate()) - before):
        assert time.monotonic() < deadline, "the thread goes on"
        time.sleep(0.01)
    server.nudges.clear()
    assert provider.list_runs(RequestContext(), experiment_id="") == [""]


def test_the_native_server_answers_as_without(tmp_path):
    logdirs.write_monitored(tmp_path / "run" / "featuremaps", [0, 1, 2])
    with loaded("native", tmp_path) as held:
        provider = held.provider
        assert isinstance(provider, LowLatencyProvider)
        plain: GrpcDataProvider = provider._provider
        asked = {"experiment_id": "", "plugin_name": tags.STATS_PLUGIN_NAME, "run_tag_filter": RunTagFilter()}
        pictures = {**asked, "plugin_name": tags.PLUGIN_NAME, "downsample": 100}
        context = RequestContext()
        assert repr(provider.list_tensors(context, **asked)) == repr(plain.list_tensors(context, **asked))
        references = provider.read_blob_sequences(context, **pictures)
        assert repr(references) == repr(plain.read_blob_sequences(context, **pictures))
        keys = [datum.values[0].blob_key for tags in references.values() for data in tags.values() for datum in data]
        assert keys
        for key in keys:
            assert provider.read_blob(context, blob_key=key) == plain.read_blob(context, blob_key=key)
        with pytest.raises(errors.InvalidArgumentError):
            provider.read_blob(context, blob_key=keys[0][:-4])


def test_other_providers_are_left_alone(tmp_path):
    logdirs.write_monitored(tmp_path / "run" / "featuremaps", [0])
    with loaded("python", tmp_path) as held:
        assert not isinstance(held.provider, LowLatencyProvider)
        assert low_latency(held.provider) is held.provider
