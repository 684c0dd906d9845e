"""Answers of several addresses in one response, over WSGI in this process and from a real TensorBoard."""

from __future__ import annotations

import json
import threading
from urllib.parse import quote

import pytest

from tb_featuremap_plugin.schema import limits
from tests.support import logdirs
from tests.support.clients import Call, Recorder, ask, ask_raw, check_error, wsgi_client
from tests.support.providers import LOADERS, loaded
from tests.support.servers import PLUGIN, tensorboard

RUNS = ("asked/featuremaps", "mended/featuremaps")


def picture(run: str, step: int, version: str = "") -> str:
    return f"picture?run={quote(run, safe='')}&kind=maps&name=conv1&step={step}{version and f'&v={version}'}"


def numbers(run: str) -> list[str]:
    named = quote(run, safe="")
    return [
        f"table?run={named}&table=layers&columns=mean",
        f"table?run={named}&table=variables",
        f"losses?run={named}",
        f"scalars?run={named}",
    ]


EVERYTHING = [*numbers(RUNS[0]), *numbers(RUNS[1]), "diagnosis", "runs", picture(RUNS[0], 5), picture(RUNS[1], 0, "x")]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    for run in RUNS:
        logdirs.write_monitored(folder / run, [0, 1, 5])
    logdirs.EventLog(folder / "asked" / "train").scalar("loss", 0, 0.5)
    return folder


@pytest.fixture(scope="module", params=LOADERS)
def client(request, logdir):
    with loaded(request.param, logdir) as held:
        yield wsgi_client(held.provider)


def batch(addresses: list[str]) -> str:
    return "batch?" + "&".join(f"get={quote(address, safe='')}" for address in addresses)


def read(data: bytes) -> list[tuple[int, bytes]]:
    """Status and bytes of each part, straight from docs/http_api.md."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header["kind"] == "batch"
    found, start = [], 8 + length
    for part in header["parts"]:
        body = data[start : start + part["bytes"]]
        start += part["bytes"]
        found.append((part["status"], body))
    assert start == len(data)
    return found


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_every_part_is_what_its_own_route_answers(client, encoding):
    together = ask_raw(client, batch(EVERYTHING), headers={"Accept-Encoding": encoding})
    assert together.headers["Content-Type"] == "application/octet-stream"
    assert together.headers["X-Content-Type-Options"] == "nosniff"
    alone = [(200, ask_raw(client, address, headers={"Accept-Encoding": "identity"}).data) for address in EVERYTHING]
    assert read(together.data) == alone


def test_what_cannot_be_answered_spoils_no_other_part(client):
    good = picture(RUNS[0], 5)
    bad = {
        picture(RUNS[0], 2): 404,
        "losses?run=nothing": 404,
        "losses": 400,
        "table?run=a&table=b": 400,
        "runs?x=1": 400,
        "losses?run=%FF": 404,
    }
    answers = read(ask_raw(client, batch([good, *bad, good])).data)
    expected = ask_raw(client, good).data
    assert [answers[0], answers[-1]] == [(200, expected)] * 2
    assert [status for status, _ in answers[1:-1]] == list(bad.values())
    for status, body in answers[1:-1]:
        said = json.loads(body)
        assert (said["ok"], said["status"]) == (False, status)
        assert said["error"]


@pytest.mark.parametrize(
    "address",
    [
        "batch",
        "batch?get=",
        "batch?get=nothing",
        "batch?get=index.js",
        "batch?get=/runs",
        "batch?get=../runs",
        "batch?get=batch%3Fget%3Druns",
        "batch?get=runs&x=1",
        "batch?get=%FF",
        batch(["runs"] * (limits.MAX_BATCH_PARTS + 1)),
    ],
)
def test_a_batch_of_anything_else_is_a_400(client, address):
    ask_raw(client, address, 400)


def test_pictures_with_versions_are_kept_for_ever_and_nothing_else(client):
    def kept(*addresses: str) -> bool:
        return "max-age" in ask_raw(client, batch(list(addresses))).headers["Cache-Control"]

    assert kept(picture(RUNS[0], 5, "x"), picture(RUNS[1], 0, "y"))
    assert not kept(picture(RUNS[0], 5, "x"), picture(RUNS[1], 0))
    assert not kept(picture(RUNS[0], 5, "x"), picture(RUNS[1], 7, "x"))
    assert not kept(picture(RUNS[0], 5, "x"), numbers(RUNS[0])[0])


def test_what_would_be_too_much_is_refused_and_can_be_asked_for_alone(client, monkeypatch):
    addresses = [picture(RUNS[0], 5, f"{number}") for number in range(20)]
    size = len(ask_raw(client, addresses[0]).data)
    monkeypatch.setattr(limits, "MAX_BATCH_BYTES", 3 * size)
    answers = read(ask_raw(client, batch(addresses)).data)
    assert [status for status, _ in answers] == [200] * 3 + [413] * 17
    assert "ask for this alone" in json.loads(answers[3][1])["error"]


def test_a_batch_lists_once_and_pictures_not_at_all(logdir):
    with loaded("python", logdir) as held:
        calls: list[Call] = []
        client = wsgi_client(Recorder(held.provider, calls))
        ask(client, "runs")
        ask_raw(client, batch([*numbers(RUNS[0])[:3], *numbers(RUNS[1])[:3]]))
        calls.clear()
        ask_raw(client, batch([*numbers(RUNS[0])[:3], *numbers(RUNS[1])[:3]]))
        assert sorted(call for call, _, _ in calls) == ["list_blob_sequences", "list_tensors"]
        calls.clear()
        ask_raw(client, batch([picture(RUNS[0], 0), picture(RUNS[0], 1), picture(RUNS[1], 5)]))
        assert [call for call, _, _ in calls] == ["read_blob"] * 3


def test_many_batches_at_once_of_pictures_that_were_never_listed(logdir):
    """Every thread that answers parts is busy listing: none may wait for another of them."""
    with loaded("python", logdir) as held:
        client = wsgi_client(held.provider)
        statuses: list[list[int]] = []
        address = batch([picture(f"nothing{number}", 0) for number in range(40)])
        threads = [
            threading.Thread(target=lambda: statuses.append([one for one, _ in read(ask_raw(client, address).data)])) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert statuses == [[404] * 40] * 4


def test_other_methods_are_405_and_head_has_no_body(client):
    address = f"/{PLUGIN}/{batch(['runs'])}"
    answer = client.post(address)
    assert answer.status_code == 405
    check_error(answer, 405)
    head = client.head(address)
    assert (head.status_code, head.get_data()) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("load_fast", [True, False])
def test_a_real_tensorboard_answers_a_batch(logdir, load_fast):
    with tensorboard(logdir, "--path_prefix=/some/where", load_fast=load_fast) as server:
        server.wait_for_runs(2)
        status, _, body = server.get(f"{PLUGIN}/{batch(EVERYTHING[:-4] + EVERYTHING[-2:])}")
        assert status == 200
        assert [part for part, _ in read(body)] == [200] * 10
        assert read(body)[-1][1] == server.get(f"{PLUGIN}/{EVERYTHING[-1]}")[2]
        assert "Traceback" not in server.log()
