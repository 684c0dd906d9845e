"""The run record comes back as it went in, and nothing that is not one gets through."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tb_featuremap_plugin.format import record, run_record
from tb_featuremap_plugin.schema.answers import ROLES
from tb_featuremap_plugin.schema.errors import FormatError, NewerVersionError
from tb_featuremap_plugin.schema.network import Layer, LoopFacts, LossFacts, NetworkChange, Probe, RunRecord

names = st.text(max_size=20)
name_lists = st.lists(names, max_size=3).map(tuple)
sizes = st.lists(st.integers(0, 2**40), max_size=3).map(tuple)
numbers = st.floats(allow_nan=False, allow_infinity=False)
loss_facts = st.builds(
    LossFacts,
    ignored=st.none() | st.integers(-(2**40), 2**40),
    weighted=st.booleans(),
    summed=st.booleans(),
    constant=st.none() | numbers,
    error=numbers,
    entries=st.integers(0, 2**40),
    output_shape=sizes,
    target_shape=sizes,
)
layers = st.builds(
    Layer,
    names,
    kind=st.none() | names,
    activation=st.none() | names,
    weights=name_lists,
    state=name_lists,
    trainable=st.booleans(),
    role=st.sampled_from(ROLES),
    inputs=name_lists,
    kernel_size=st.none() | sizes,
    strides=st.none() | sizes,
    padding=st.none() | names | sizes,
    dilation=st.none() | sizes,
    groups=st.none() | st.integers(1, 99),
    receives=st.none() | st.tuples(numbers, numbers),
    output_function=st.none() | names,
    output_axis=st.none() | st.integers(0, 9),
    kernels=st.none() | name_lists,
    layout=st.none() | names,
    calls=st.none() | st.integers(1, 2**40),
)
changes = st.builds(NetworkChange, st.integers(0, 2**40), st.integers(0, 2**40), layers_added=name_lists, frozen=name_lists)
records = st.builds(
    RunRecord,
    layers=st.lists(layers, max_size=3).map(tuple),
    changes=st.lists(changes, max_size=3).map(tuple),
    layer_rows=name_lists,
    layer_columns=name_lists,
    variable_rows=name_lists,
    variable_columns=name_lists,
    progress_columns=name_lists,
    variable_shapes=st.dictionaries(names, sizes, max_size=3),
    variable_dtypes=st.dictionaries(names, names, max_size=3),
    loss=st.none() | names,
    from_logits=st.none() | st.booleans(),
    optimizer=st.none() | names,
    weight_decay=st.none() | numbers,
    loss_facts=st.none() | loss_facts,
    loop_facts=st.none() | st.builds(LoopFacts, *[st.integers(0, 2**40)] * 4),
    not_optimized=name_lists,
    unregistered=name_lists,
    probes=st.lists(st.builds(Probe, st.integers(0, 2**40), names, st.dictionaries(names, sizes, max_size=2)), max_size=2).map(tuple),
    inputs_private=st.booleans(),
    every=st.none() | names,
    versions=st.dictionaries(names, names, max_size=3),
    notes=name_lists,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(records)
def test_a_record_comes_back(run):
    blob = run_record.encode(run)
    assert run_record.decode(blob) == run
    assert run_record.encode(run) == blob


def test_every_field_is_read_back():
    """A record in which no field is what it is by default, so that one that is not read is missed."""
    layer = Layer(
        "a", kind="conv2d", activation="relu", weights=("a/k",), state=("a/s",), trainable=False, role="output", inputs=("b",),
        kernel_size=(3, 3), strides=(2, 2), padding=(1, 1), dilation=(2, 2), groups=2, frozen=("a/k",),
        receives=(-1.0, 1.0), output_function="softmax", output_axis=1, kernels=(), layout="NHWC", calls=3, rate=0.5,
    )  # fmt: skip
    facts = LossFacts(ignored=-100, weighted=True, summed=True, constant=0.5, error=0.1, entries=8, output_shape=(8, 1), target_shape=(8,))
    change = NetworkChange(9, 3, ("b",), ("c",), ("b/k",), ("c/k",), ("a/k",), ("d/k",), ("e/k",))
    run = RunRecord(
        layers=(layer,), layer_rows=("a",), layer_columns=("mean",), variable_rows=("a/k",), variable_columns=("norm",),
        progress_columns=("loss",), variable_shapes={"a/k": (3, 3, 1, 4)}, variable_dtypes={"a/k": "float32"}, loss="mse", from_logits=True,
        optimizer="adam", weight_decay=0.5, probes=(Probe(3, "0f", {"x": (1, 2)}),), inputs_private=True, every="every step",
        versions={"numpy": "2"}, notes=("note",), left_out={"weights/c": "no numbers"}, loss_facts=facts,
        loop_facts=LoopFacts(1, 1, 1, 1), not_optimized=("a/k",), unregistered=("b[0]",), changes=(change,),
    )  # fmt: skip
    for filled, defaults in ((layer, Layer("a")), (run, RunRecord()), (facts, LossFacts()), (change, NetworkChange(0, 0))):
        assert [field.name for field in fields(filled) if getattr(filled, field.name) == getattr(defaults, field.name)] in ([], ["name"])
    assert run_record.decode(run_record.encode(run)) == run


def test_fields_of_a_later_version_are_left_out():
    values: dict[str, Any] = {**RunRecord(layers=(Layer("conv1"),)).to_dict(), "from_the_future": {"a": [1]}}
    values["layers"][0]["also"] = 1
    assert run_record.from_dict(json.loads(json.dumps(values))) == RunRecord(layers=(Layer("conv1"),))


def said_or_read(values, otherwise):
    """The message with which values are refused; `otherwise` where they are a record."""
    try:
        run_record.from_dict(json.loads(json.dumps(values)))
    except FormatError as error:
        return str(error)
    return otherwise


@given(st.sampled_from([field.name for field in fields(RunRecord)]), json_values)
def test_a_field_of_the_wrong_type_is_a_format_error(name, value):
    assert name in said_or_read({name: value}, name)


@given(st.sampled_from([field.name for field in fields(Layer)]), json_values)
def test_a_layer_of_the_wrong_type_is_a_format_error(name, value):
    assert "layer" in said_or_read({"layers": [{"name": "a", name: value}]}, "layer")


@pytest.mark.parametrize(
    "value", [None, [], "x", 1, {"layers": {}}, {"layers": [1]}, {"layers": [{}]}, {"layers": [{"name": "a", "role": "king"}]}]
)
def test_what_is_no_record_is_refused(value):
    with pytest.raises(FormatError):
        run_record.from_dict(value)


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**400, True])
def test_weight_decay_must_be_a_finite_number(number):
    with pytest.raises(FormatError, match="weight_decay"):
        run_record.from_dict({"weight_decay": number})


def _blob(text, header=None):
    return record.encode({"kind": "run", **(header or {})}, {"run": np.frombuffer(text, np.uint8)})


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"x" * 100,
        _blob(b"{"),
        _blob(b"[" * 100_000),
        _blob(b"\xff\xfe{}"),
        _blob(b"{}", {"kind": "maps"}),
        record.encode({"kind": "run"}, {}),
        record.encode({"kind": "run"}, {"run": np.zeros(3, np.float32)}),
        run_record.encode(RunRecord())[:-1],
    ],
)
def test_damaged_bytes_are_a_format_error(blob):
    with pytest.raises(FormatError):
        run_record.decode(blob)


def test_a_later_version_is_said_to_be_one():
    blob = bytearray(run_record.encode(RunRecord()))
    blob[:] = bytes(blob).replace(b'"version":1', b'"version":2')
    with pytest.raises(NewerVersionError):
        run_record.decode(bytes(blob))


def test_an_inflated_record_is_bounded(monkeypatch):
    monkeypatch.setattr("tb_featuremap_plugin.schema.limits.MAX_RUN_RECORD_BYTES", 1000)
    assert run_record.decode(run_record.encode(RunRecord())) == RunRecord()
    with pytest.raises(FormatError, match="1000"):
        run_record.decode(run_record.encode(RunRecord(notes=("x" * 1000,))))


def test_a_record_of_ten_thousand_layers_fits():
    run = RunRecord(
        layers=tuple(Layer(f"block{index}/convolution", kind="conv2d", weights=(f"block{index}/kernel",)) for index in range(10_000))
    )
    assert run_record.decode(run_record.encode(run)) == run


def test_what_a_layer_freezes_comes_back_and_takes_no_room_where_there_is_nothing():
    frozen = Layer("dense", weights=("dense/kernel", "dense/lora_a"), frozen=("dense/kernel",))
    assert run_record.decode(run_record.encode(RunRecord(layers=(frozen,)))).layers == (frozen,)
    assert b"frozen" not in record.decode(run_record.encode(RunRecord(layers=(Layer("plain"),)))).array("run").tobytes()
