"""Logdirs that were made to hurt, read through both loaders and asked for over HTTP: no 5xx, no traceback, no answer of another shape."""

from __future__ import annotations

import json
import logging
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tensorboard.util import tensor_util

from tb_featuremap_plugin.format.values import blob_metadata
from tb_featuremap_plugin.reading import assemble
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.server import api
from tests.support import hostile, logdirs
from tests.support.clients import ALLOWED, ask_anything, check_error, json_of, walk, wsgi_client
from tests.support.frames import read_frame
from tests.support.providers import LOADERS, loaded
from tests.support.servers import PLUGIN

ROUTES = ("runs", "diagnosis", "comparison", "table", "losses", "scalars", "picture", "channels")
NEEDS_ESCAPES = re.compile(r"""["\\\x00-\x1f]""")
"""In JSON. The native server makes keys of blobs that it cannot read itself where a name has such characters."""

UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def examples(count):
    """So many examples, however long each takes on a busy machine. They are not shrunk: that would take minutes."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=UNHURRIED, phases=[Phase.explicit, Phase.reuse, Phase.generate]
    )


def written(tmp_path_factory, writes):
    """A logdir with a run of each of the hostile logs."""
    logdir = tmp_path_factory.mktemp("hostile")
    for index, write in enumerate(writes):
        write(logdir / f"run{index}")
    return logdir


@examples(60)
@given(st.lists(hostile.logs(), min_size=1, max_size=2))
def test_any_events_through_the_python_loader(tmp_path_factory, writes):
    logdir = written(tmp_path_factory, writes)
    with loaded("python", logdir, wait=False) as held:
        walk(wsgi_client(held.provider))


@examples(4)
@given(st.lists(hostile.logs(), min_size=8, max_size=8))
def test_any_events_through_the_native_loader(tmp_path_factory, writes):
    logdir = written(tmp_path_factory, writes)
    logdirs.EventLog(logdir / "last").maps("conv1", 0)
    with loaded("native", logdir, wait=False) as held:
        held.until(lambda source: any(outline.name == "last" for outline in source.outlines()))
        walk(wsgi_client(held.provider))


@examples(60)
@given(st.lists(hostile.logs(), min_size=1, max_size=2))
def test_any_events_read_from_the_files(tmp_path_factory, writes):
    logdir = written(tmp_path_factory, writes)
    source = EventSource(logdir)
    json.dumps(api.runs(source), allow_nan=False)
    json.dumps(api.diagnosis(source), allow_nan=False)
    for run in source.runs():
        json.dumps(api.comparison(source, run.name, source.names()[0]), allow_nan=False)
        for table in ("layers", "variables", "progress"):
            read_frame(api.table(source, run.name, table))
        for series in run.pictures:
            read_frame(api.channels(source, run.name, series.kind, series.name))
            for step in series.steps.tolist():
                assert isinstance(api.picture(source, run.name, series.kind, series.name, step), bytes)


@pytest.fixture(scope="module")
def named_logdir(tmp_path_factory):
    """Layers and variables of every hostile name, and runs of those that a file system takes."""
    return hostile.write_named(tmp_path_factory.mktemp("names"))


@pytest.mark.parametrize("loader", LOADERS)
def test_names_full_of_markup_and_separators_are_names(loader, named_logdir):
    with loaded(loader, named_logdir) as held:
        client = wsgi_client(held.provider)
        runs = {run["run"]: run for run in walk(client)}
        assert len(runs) == 8
        root = runs["."]
        assert {picture["name"] for picture in root["pictures"]} == set(hostile.NAMES)
        assert set(root["layer_rows"]) == set(hostile.NAMES)
        for name in hostile.NAMES:
            frame = ask_anything(client, "table", run=".", table="layers", rows=name, columns="mean")
            assert read_frame(frame.data)[0]["rows"] == [name]
            answer = ask_anything(client, "picture", run=".", kind="maps", name=name, step=3)
            if loader == "native" and NEEDS_ESCAPES.search(name):
                check_error(answer, 404)
            else:
                assert read_frame(answer.data)[0]["name"] == name


@pytest.fixture(scope="module")
def small_client(tmp_path_factory):
    logdir = tmp_path_factory.mktemp("small")
    logdirs.write_monitored(logdir / "featuremaps", [0, 1])
    with loaded("python", logdir) as held:
        yield wsgi_client(held.provider)


keys = st.sampled_from(["run", "table", "columns", "rows", "kind", "name", "step", "v", "tag", "of", "", "x"])
values = hostile.names | st.sampled_from(["featuremaps", "layers", "maps", "conv1", "0", "1", "-1", "mean", "mean,std", ",", "9" * 40])


@examples(400)
@given(st.sampled_from(ROUTES), st.lists(st.tuples(keys, values), max_size=6))
def test_any_parameters(small_client, route, parameters):
    query = "&".join(f"{key}={quote(value)}" for key, value in parameters)
    answer = small_client.get(f"/{PLUGIN}/{route}?{query}")
    assert answer.status_code in ALLOWED
    if answer.status_code != 200:
        check_error(answer, answer.status_code)


@examples(200)
@given(st.text("abcr%&=+#?/\\;:uns\x00\xff0123456789ABCDEF.-_~\n", max_size=60))
def test_any_query_string(small_client, query):
    for route in ("runs", "table", "picture", "batch"):
        answer = small_client.get(f"/{PLUGIN}/{route}", environ_overrides={"QUERY_STRING": query})
        assert answer.status_code in ALLOWED


@examples(60)
@given(st.lists(st.tuples(st.sampled_from(ROUTES), st.text("abcr%&=+#?/unse\x00\xff0123456789-\n", max_size=40)), min_size=1, max_size=4))
def test_any_parts_of_a_batch(small_client, asked):
    addresses = "&".join(f"get={quote(f'{route}?{query}', safe='')}" for route, query in asked)
    answer = small_client.get(f"/{PLUGIN}/batch?{addresses}")
    assert answer.status_code == 200
    header = json.loads(answer.data[8 : 8 + int.from_bytes(answer.data[:8], "little")])
    assert {part["status"] for part in header["parts"]} <= set(ALLOWED)
    assert len(header["parts"]) == len(asked)


def test_a_later_version_is_skipped_with_one_warning(tmp_path, caplog):
    assemble.warn_of_later_version.cache_clear()
    log = logdirs.write_monitored(tmp_path / "featuremaps", [0, 1])
    later = blob_metadata()
    later.plugin_data.content = b'{"version":7}'
    for name in ("new1", "new2"):
        log.value(f"featuremaps/maps/{name}", 0, tensor_util.make_tensor_proto([b"from the future"]), later)
    with loaded("python", tmp_path) as held, caplog.at_level(logging.WARNING, "tb_featuremap_plugin"):
        client = wsgi_client(held.provider)
        for _ in range(3):
            (run,) = json_of(ask_anything(client, "runs"))["runs"]
        assert {picture["name"] for picture in run["pictures"]} == {"conv1", "conv2"}
        assert sorted(problem["tag"] for problem in run["problems"]) == ["featuremaps/maps/new1", "featuremaps/maps/new2"]
    assert len([entry for entry in caplog.records if "later version" in entry.getMessage()]) == 1
