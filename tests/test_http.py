"""The routes of docs/http_api.md, asked over WSGI in this process and over HTTP of a real TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

import tb_featuremap_plugin
from tb_featuremap_plugin.cli.main import main
from tb_featuremap_plugin.reading.events import EventSource
from tb_featuremap_plugin.schema.columns import LAYER_COLUMNS
from tb_featuremap_plugin.server.plugin import FeatureMapsPlugin
from tests.support import logdirs
from tests.support.clients import Call, Recorder, ask, ask_raw, check_error, json_of, wsgi_client
from tests.support.frames import read_frame
from tests.support.known import layers_of, match_in, variables_of
from tests.support.providers import LOADERS, loaded
from tests.support.servers import PLUGIN, tensorboard

RUN = "asked/featuremaps"
BAD_STEPS = ("", "x", "1.0", "1e3", "+1", " 1", "0x1", "9" * 30, "%D9%A1", "NaN")
ROUTES = ("runs", "diagnosis", "comparison", "table", "losses", "scalars", "picture", "channels", "index.js", "style.css")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logdir")
    logdirs.write_monitored(folder / "asked" / "featuremaps", [0, 1, 5])
    logdirs.write_monitored(folder / "mended" / "featuremaps", [0])
    train = logdirs.EventLog(folder / "asked" / "train")
    for step in range(3):
        train.scalar("loss", step, step + 0.5)
    return folder


@pytest.fixture(scope="module", params=LOADERS)
def client(request, logdir):
    with loaded(request.param, logdir) as held:
        yield wsgi_client(held.provider)


def test_runs_lists_what_there_is(client):
    answer = json_of(ask(client, "runs"))
    assert answer["version"] == 1
    assert [(run["run"], run["title"], run["color"]) for run in answer["runs"]] == [(RUN, "asked", 0), ("mended/featuremaps", "mended", 1)]
    asked = answer["runs"][0]
    assert asked["record"]["layers"][0]["name"] == "conv1"
    assert asked["steps"] == [0, 1, 5]
    assert asked["logged_steps"] == 3
    assert asked["layer_rows"] == ["conv1", "conv2"]
    assert asked["variable_rows"] == ["conv1/kernel", "conv2/kernel"]
    assert asked["problems"] == []
    pictures = [{key: picture[key] for key in ("kind", "name", "layer", "steps")} for picture in asked["pictures"]]
    assert pictures == [{"kind": "maps", "name": name, "layer": name, "steps": [0, 1, 5]} for name in ("conv1", "conv2")]


def test_a_table_is_what_was_logged(client, logdir):
    expected = layers_of(EventSource(logdir).run(RUN))
    header, arrays = read_frame(ask(client, "table", run=RUN, table="layers").data)
    assert (header["kind"], header["run"], header["table"]) == ("table", RUN, "layers")
    assert header["rows"] == ["conv1", "conv2"]
    assert header["columns"] == list(LAYER_COLUMNS)
    np.testing.assert_array_equal(arrays["values"], expected.values)
    assert arrays["steps"].tolist() == [0, 1, 5]
    np.testing.assert_array_equal(arrays["wall_times"], expected.wall_times)
    assert (arrays["steps"].dtype, arrays["values"].dtype) == (np.dtype(np.float64), np.dtype(np.float32))


def test_rows_and_columns_are_chosen_in_the_order_asked(client, logdir):
    expected = variables_of(EventSource(logdir).run(RUN))
    address = f"table?run={quote(RUN)}&table=variables&columns=std,norm&rows=conv2/kernel&rows=conv1/kernel"
    header, arrays = read_frame(ask_raw(client, address).data)
    assert header["rows"] == ["conv2/kernel", "conv1/kernel"]
    assert header["columns"] == ["std", "norm"]
    np.testing.assert_array_equal(arrays["values"][:, 0, 1], expected.column("conv2/kernel", "norm"))
    np.testing.assert_array_equal(arrays["values"][:, 1, 0], expected.column("conv1/kernel", "std"))


def test_progress_and_losses(client):
    header, arrays = read_frame(ask(client, "table", run=RUN, table="progress", columns="logged_steps").data)
    assert header["rows"] == ["run"]
    assert arrays["values"].ravel().tolist() == [1, 2, 3]
    header, arrays = read_frame(ask(client, "losses", run=RUN).data)
    assert header["kind"] == "points"
    assert arrays["steps"].tolist() == [-1, 0, 1, 4, 5]
    assert arrays["values"].tolist() == [0, 1, 1.5, 5, 5.5]


def test_scalars_of_the_siblings(client):
    assert json_of(ask(client, "scalars", run=RUN))["scalars"] == {"asked/train": ["loss"]}
    header, arrays = read_frame(ask(client, "scalars", run=RUN, tag="loss", of="asked/train").data)
    assert (header["kind"], header["tag"], header["of"]) == ("points", "loss", "asked/train")
    assert arrays["values"].tolist() == [0.5, 1.5, 2.5]
    ask(client, "scalars", 404, run=RUN, tag="loss", of="mended/featuremaps")
    ask(client, "scalars", 400, run=RUN, tag="loss")
    ask(client, "scalars", 400, run=RUN, of="asked/train")


def test_a_picture_is_passed_through_byte_for_byte(client, logdir):
    answer = ask(client, "picture", run=RUN, kind="maps", name="conv1", step=5)
    assert answer.data == EventSource(logdir).picture(RUN, "maps", "conv1", 5)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-cache" in answer.headers["Cache-Control"]
    versioned = ask(client, "picture", run=RUN, kind="maps", name="conv1", step=5, v="abc")
    assert versioned.data == answer.data
    assert int(match_in(versioned.headers["Cache-Control"], r"max-age=(\d+)")[1]) >= 30 * 24 * 3600


def test_channels_collects_the_statistics_of_all_steps(client):
    header, arrays = read_frame(ask(client, "channels", run=RUN, kind="maps", name="conv1").data)
    assert (header["kind"], header["name"], header["stats"]) == ("channels", "conv1", ["min", "max", "mean"])
    assert arrays["steps"].tolist() == [0, 1, 5]
    for place, step in enumerate((0, 1, 5)):
        pixels = logdirs.maps_values(step)[0].reshape(3, -1)
        np.testing.assert_allclose(arrays["values"][place], [pixels.min(1), pixels.max(1), pixels.mean(1)], rtol=1e-6)


def test_the_diagnosis_has_an_entry_a_run(client):
    assert [run["run"] for run in json_of(ask(client, "diagnosis"))["runs"]] == [RUN, "mended/featuremaps"]
    assert [run["run"] for run in json_of(ask(client, "diagnosis", run="mended/featuremaps"))["runs"]] == ["mended/featuremaps"]
    ask(client, "diagnosis", 404, run="nothing")


def test_the_comparison_is_that_of_the_command_line(client, logdir, capsys):
    asked = json_of(ask(client, "comparison", a=RUN, b="mended/featuremaps"))
    main(["compare", f"{logdir}:{RUN}", f"{logdir}:mended/featuremaps", "--format", "json"])
    assert asked == json.loads(capsys.readouterr().out)
    assert (asked["version"], asked["a"], asked["b"]) == (1, "asked", "mended")
    assert json_of(ask(client, "comparison", a=RUN, b=RUN))["same"]
    ask(client, "comparison", 404, a=RUN, b="nothing")
    ask(client, "comparison", 404, a="nothing", b=RUN)


@pytest.mark.parametrize(
    ("route", "parameters"),
    [
        ("table", {"run": "nothing", "table": "layers"}),
        ("table", {"run": RUN, "table": "layers", "rows": "conv9"}),
        ("table", {"run": RUN, "table": "layers", "columns": "mean,nothing"}),
        ("losses", {"run": "nothing"}),
        ("scalars", {"run": "nothing"}),
        ("picture", {"run": RUN, "kind": "maps", "name": "conv1", "step": 2}),
        ("picture", {"run": RUN, "kind": "maps", "name": "conv9", "step": 0}),
        ("picture", {"run": RUN, "kind": "filters", "name": "conv1", "step": 0}),
        ("picture", {"run": "asked/train", "kind": "maps", "name": "conv1", "step": 0}),
        ("channels", {"run": RUN, "kind": "maps", "name": "conv9"}),
        ("channels", {"run": "nothing", "kind": "maps", "name": "conv1"}),
    ],
)
def test_what_is_not_there_is_a_404(client, route, parameters):
    ask(client, route, 404, **parameters)


@pytest.mark.parametrize(
    "address",
    [
        "runs?x=1",
        "diagnosis?step=1",
        "comparison",
        f"comparison?a={RUN}",
        f"comparison?a={RUN}&b={RUN}&b={RUN}",
        f"comparison?a={RUN}&b={RUN}&run={RUN}",
        "table",
        "table?run=a",
        "table?table=layers",
        f"table?run={RUN}&table=nothing",
        f"table?run={RUN}&run={RUN}&table=layers",
        f"table?run={RUN}&table=layers&table=layers",
        f"table?run={RUN}&table=layers&row=conv1",
        "losses",
        f"losses?run={RUN}&run=b",
        f"picture?run={RUN}&kind=maps&name=conv1",
        f"picture?run={RUN}&kind=nothing&name=conv1&step=0",
        *(
            f"picture?run={RUN}&kind=maps&name=conv1&step={step}"
            for step in ("", "x", "1.0", "1e3", "+1", " 1", "0x1", "9" * 30, "%D9%A1", "NaN")
        ),
        f"picture?run={RUN}&kind=maps&name=conv1&step=0&v=1&v=2",
        f"channels?run={RUN}&kind=nothing&name=conv1",
        f"channels?run={RUN}&kind=maps&name=conv1&step=0",
    ],
)
def test_a_bad_parameter_is_a_400(client, address):
    ask_raw(client, address, 400)


@pytest.mark.parametrize("route", ROUTES)
def test_other_methods_are_405_and_head_has_no_body(client, route):
    for method in ("post", "put", "delete", "patch", "options"):
        answer = getattr(client, method)(f"/{PLUGIN}/{route}")
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        check_error(answer, 405)
    own = {
        "picture": f"?run={RUN}&kind=maps&name=conv1&step=0",
        "table": f"?run={RUN}&table=layers",
        "comparison": f"?a={RUN}&b=mended/featuremaps",
    }
    parameters = own.get(route, f"?run={RUN}")
    query = "" if route in ("runs", "diagnosis") or "." in route else parameters
    if route == "channels":
        query += "&kind=maps&name=conv1"
    answer = client.head(f"/{PLUGIN}/{route}{query}")
    assert answer.status_code == 200
    assert answer.get_data() == b""
    assert int(answer.headers["Content-Length"]) > 0


def test_json_is_compressed_where_it_is_wanted(client):
    answer = ask_raw(client, "runs", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    plain = ask_raw(client, "runs", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


def test_static_files_are_those_of_the_package_and_no_others(client):
    static = Path(tb_featuremap_plugin.__file__).parent / "static"
    kinds = {".js": "text/javascript", ".css": "text/css"}
    served = [path for path in static.iterdir() if path.suffix in kinds]
    assert {"index.js", "style.css"} <= {path.name for path in served}
    for path in served:
        answer = ask(client, path.name)
        assert answer.data == path.read_bytes()
        assert answer.headers["Content-Type"] == f"{kinds[path.suffix]}; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("BUILD.json", "../plugin.py", "..%2Fplugin.py", "static/index.js", ""):
        assert client.get(f"/{PLUGIN}/{name}").status_code == 404


def test_unknown_routes_are_not_ours(client):
    assert client.get(f"/{PLUGIN}/nothing").status_code == 404


def test_below_a_path_prefix_and_in_an_experiment(logdir):
    with loaded("python", logdir) as held:
        asked_for: list[Call] = []
        provider = Recorder(held.provider, asked_for)
        client = wsgi_client(provider, path_prefix="/some/where")
        below = "/some/where/experiment/mine"
        assert len(json_of(client.get(f"{below}/{PLUGIN}/runs"))["runs"]) == 2
        assert client.get(f"{below}/{PLUGIN}/picture?run={RUN}&kind=maps&name=conv1&step=0").status_code == 200
        client.get(f"{below}/{PLUGIN}/scalars?run={RUN}&tag=loss&of=asked/train")
        client.get(f"{below}/{PLUGIN}/diagnosis")
    assert {call for call, _, _ in asked_for} >= {
        "list_tensors",
        "read_tensors",
        "list_blob_sequences",
        "read_blob_sequences",
        "read_scalars",
    }
    assert {type(context).__name__ for _, context, _ in asked_for} == {"RequestContext"}
    assert {experiment for call, _, experiment in asked_for if call != "read_blob"} == {"mine"}


class Broken:
    """A provider whose server has gone."""

    def __getattr__(self, name):
        def call(*_, **__):
            raise RuntimeError("the data server at localhost:1234 is gone")

        return call


@pytest.mark.parametrize(
    "address", ["runs", "diagnosis", f"table?run={RUN}&table=layers", f"picture?run={RUN}&kind=maps&name=conv1&step=0"]
)
def test_a_provider_that_fails_is_said_without_its_secrets(address):
    client = Client(FeatureMapsPlugin(TBContext(data_provider=Broken(), logdir="")).get_plugin_apps()["/" + address.partition("?")[0]])
    answer = client.get("/?" + address.partition("?")[2])
    assert answer.status_code == 503
    check_error(answer, 503)
    assert "localhost" not in json_of(answer)["error"]


def test_versions_change_only_when_a_step_is_written_again(tmp_path):
    log = logdirs.EventLog(tmp_path)
    log.start(0)
    log.maps("conv1", 0)
    log.maps("conv1", 1)
    with loaded("python", tmp_path) as held:
        client = wsgi_client(held.provider)
        (first,) = json_of(ask(client, "runs"))["runs"][0]["pictures"]
        log.maps("conv1", 2)
        held.reload()
        (grown,) = json_of(ask(client, "runs"))["runs"][0]["pictures"]
        assert grown["steps"] == [0, 1, 2]
        assert grown["version"] == first["version"]
        resumed = logdirs.EventLog(tmp_path, start=logdirs.START_TIME + 500)
        resumed.start(1)
        resumed.maps("conv1", 1)
        held.reload()
        (again,) = json_of(ask(client, "runs"))["runs"][0]["pictures"]
        assert again["steps"] == [0, 1]
        other = json_of(ask(wsgi_client(held.provider), "runs"))["runs"][0]["pictures"][0]["version"]
        assert len({first["version"], again["version"], other}) == 3


@pytest.mark.parametrize("loader", LOADERS)
def test_runs_that_have_not_changed_are_not_sent_again(tmp_path, loader):
    log = logdirs.write_monitored(tmp_path / "one" / "featuremaps", [0, 1])
    with loaded(loader, tmp_path) as held:
        client = wsgi_client(held.provider)
        first = ask(client, "runs")
        tag = first.headers["ETag"]
        unchanged = client.get(f"/{PLUGIN}/runs", headers={"If-None-Match": tag})
        assert (unchanged.status_code, unchanged.get_data()) == (304, b"")
        assert ask(client, "runs").get_data() == first.get_data()
        log.maps("conv1", 5)
        held.until(lambda source: 5 in source.outlines()[0].steps.tolist() or len(source.outlines()[0].pictures[0].steps) == 3)
        changed = client.get(f"/{PLUGIN}/runs", headers={"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag
        assert 5 in json_of(changed)["runs"][0]["pictures"][0]["steps"]
        assert ask(wsgi_client(held.provider), "runs").headers["ETag"] != changed.headers["ETag"]


@pytest.mark.parametrize("load_fast", [True, False])
def test_a_real_tensorboard_lists_the_tab_and_answers_every_route(logdir, load_fast):
    with tensorboard(logdir, "--path_prefix=/some/where", load_fast=load_fast) as server:
        server.wait_for_runs(2)
        listing = server.json("data/plugins_listing")["featuremaps"]
        assert listing["enabled"]
        assert listing["tab_name"] == "Feature Maps"
        run = quote(RUN, safe="")
        addresses = [
            "index.js",
            "style.css",
            "runs",
            "diagnosis",
            f"table?run={run}&table=variables",
            f"comparison?a={run}&b={run}",
            f"losses?run={run}",
            f"scalars?run={run}",
            f"picture?run={run}&kind=maps&name=conv1&step=5",
            f"channels?run={run}&kind=maps&name=conv1",
        ]
        for address in addresses:
            assert server.get(f"{PLUGIN}/{address}")[0] == 200, address
        entry = server.get("data/plugin_entry.html?name=featuremaps")[2].decode()
        assert "index.js" in entry
        assert "Traceback" not in server.log()


def test_two_logdirs_of_one_spec(logdir, tmp_path):
    logdirs.EventLog(tmp_path).maps("conv1", 0)
    with tensorboard(None, f"--logdir_spec=one:{logdir},two:{tmp_path}", load_fast=False) as server:
        runs = server.wait_for_runs(3)["runs"]
        assert [(run["run"], run["title"]) for run in runs] == [
            ("one/asked/featuremaps", "one/asked"),
            ("one/mended/featuremaps", "one/mended"),
            ("two/.", "two"),
        ]


def whole(server):
    """The runs, once the last step is there: the native server shows what it has read so far."""
    runs = server.json(f"{PLUGIN}/runs")["runs"]
    return runs, bool(runs) and runs[0]["steps"][-1:] == [299]


def test_300_steps_with_no_flag_given(tmp_path):
    """What the loader asks TensorBoard to keep reaches both of its loaders."""
    logdirs.write_many_steps(tmp_path, 300)
    for load_fast in (True, False):
        with tensorboard(tmp_path, load_fast=load_fast) as server:
            (run,) = server.wait_for(lambda server=server: whole(server))
            assert run["steps"] == list(range(300))
            (picture,) = run["pictures"]
            assert len(picture["steps"]) >= 100
            assert (picture["steps"][0], picture["steps"][-1]) == (0, 299)
            _, arrays = read_frame(server.get(f"{PLUGIN}/table?run=.&table=layers&columns=mean")[2])
            assert arrays["values"].ravel().tolist() == list(range(300))
