"""What single values become: every special type, absent and empty fields by release, unknown types, CRDs, CBOR, YAML."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.formats.protowire import bytes_field, int_field
from backstay.kube.decode import ValueDecoder, cbor, special
from backstay.kube.decode.generic import fields_by_number
from backstay.kube.decode.plan import Plans
from backstay.kube.release import Release
from backstay.kube.schema import message_name, shipped_table
from backstay.kube.values import UNDECODED, Encoding
from tests.unit.kube.kubernetes_values import envelope, metadata, pod


def decoder(release: str = "1.37") -> ValueDecoder:
    return ValueDecoder(Plans(shipped_table(), Release.parse(release)))


def whole(convert: special.Convert, data: bytes) -> Any:
    return convert(data, 0, len(data))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", None),
        (int_field(1, -62135596800), None),
        (int_field(1, 0) + int_field(2, 0), "1970-01-01T00:00:00Z"),
        (int_field(1, 1704067199) + int_field(2, 999999999), "2023-12-31T23:59:59Z"),
        (int_field(1, -1), "1969-12-31T23:59:59Z"),
        (int_field(1, 951782400), "2000-02-29T00:00:00Z"),
        (int_field(1, 4107542400), "2100-03-01T00:00:00Z"),
        (int_field(1, 253402300800), "10000-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_utc_to_the_second(data: bytes, text: str | None) -> None:
    assert whole(special.time, data) == text


def test_a_micro_time_has_six_digits_that_are_cut_off() -> None:
    assert whole(special.micro_time, b"") is None
    assert whole(special.micro_time, int_field(1, 5)) == "1970-01-01T00:00:05.000000Z"
    assert whole(special.micro_time, int_field(1, 5) + int_field(2, 123456999)) == "1970-01-01T00:00:05.123456Z"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1500, "1.5µs"),
        (2_000_000, "2ms"),
        (1_500_000_000, "1.5s"),
        (60_000_000_000, "1m0s"),
        (5_400_000_000_000, "1h30m0s"),
        (-90_000_000_000, "-1m30s"),
        (3_600_000_000_001, "1h0m0.000000001s"),
    ],
)
def test_a_duration_is_written_as_go_does(nanoseconds: int, text: str) -> None:
    assert whole(special.duration, int_field(1, nanoseconds)) == text


def test_numbers_or_strings_quantities_and_raw_json() -> None:
    assert whole(special.int_or_string, int_field(1, 0) + int_field(2, -3) + bytes_field(3, b"")) == -3
    assert whole(special.int_or_string, int_field(1, 1) + bytes_field(3, b"50%")) == "50%"
    assert whole(special.int_or_string, b"") == 0
    assert whole(special.quantity, bytes_field(1, b"100Mi")) == "100Mi"
    assert whole(special.quantity, b"") == "0"
    assert whole(special.raw, bytes_field(1, b' {"a" : 0.10}')) == {"a": 0.1}
    assert whole(special.raw, bytes_field(1, b"\xd9\xd9\xf7\xa1\x41a\x01")) == {"a": 1}
    assert whole(special.raw, b"") is None
    with pytest.raises(FormatError):
        whole(special.raw, bytes_field(1, b"{"))


def test_what_is_not_stored_prints_as_the_release_has_it() -> None:
    empty = envelope("v1", "Pod", b"")
    assert decoder().decode(empty).json == {
        "kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": {"containers": None}, "status": {},
    }  # fmt: skip
    older = decoder("1.33").decode(empty).json
    assert older is not None and older["metadata"] == {"creationTimestamp": None}
    node = envelope("storage.k8s.io/v1", "CSINode", metadata("n"))
    assert decoder("1.34").decode(node).json == {
        "kind": "CSINode", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": "n"}, "spec": {"drivers": None},
    }  # fmt: skip
    newer = decoder("1.37").decode(node).json
    assert newer is not None and newer["status"] == {}


def test_a_field_that_is_gone_shows_only_where_it_is_stored() -> None:
    service = envelope("v1", "Service", metadata("s") + bytes_field(2, bytes_field(16, b"kubernetes.io/hostname")))
    found = decoder("1.37").decode(service)
    assert found.json is not None and found.json["spec"] == {"topologyKeys": ["kubernetes.io/hostname"]}
    assert "topologyKeys" not in str(decoder("1.37").decode(envelope("v1", "Service", metadata("s"))).json)


def test_an_unknown_field_is_noted_and_passed_over() -> None:
    spec = (
        bytes_field(999, b"new")
        + int_field(998, 7)
        + protowire.varint(997 << 3 | 5)
        + b"1234"
        + bytes_field(10, b"node-1")
    )
    found = decoder().decode(pod(spec=spec))
    assert found.problem is None
    assert found.json is not None and found.json["spec"]["nodeName"] == "node-1"
    assert found.notes == tuple(f"field {number} of core.v1.PodSpec is not known" for number in (999, 998, 997))


def test_text_that_is_not_utf_8_is_shown_and_noted() -> None:
    found = decoder().decode(pod(spec=bytes_field(10, b"no\xffde")))
    assert found.json is not None and found.json["spec"]["nodeName"] == "no\ufffdde"
    assert found.notes == ("core.v1.PodSpec.nodeName is not UTF-8",)


def test_an_unknown_type_shows_its_metadata_and_its_fields_by_number() -> None:
    inner = (
        metadata("x", "ns") + bytes_field(2, int_field(1, 5) + bytes_field(2, b"text")) + bytes_field(3, b"\x00\xff")
    )
    found = decoder().decode(envelope("new.k8s.io/v9", "Thing", inner))
    assert (
        found.problem is not None
        and found.problem.code == "unknown-type"
        and "new.k8s.io/v9 Thing" in found.problem.text
    )
    assert found.json == {
        "kind": "Thing", "apiVersion": "new.k8s.io/v9", "metadata": {"name": "x", "namespace": "ns"},
        UNDECODED: {"2": {"1": 5, "2": "text"}, "3": {"base64": "AP8="}},
    }  # fmt: skip


def test_a_damaged_object_shows_what_could_be_read() -> None:
    value = pod(spec=bytes_field(10, b"node-1"))
    found = decoder().decode(value[:-8])
    assert found.problem is not None and found.problem.code == "damaged"
    torn = envelope("v1", "Pod", metadata("web", "default") + b"\x12\x30\x0a")
    found = decoder().decode(torn)
    assert found.problem is not None and found.problem.code == "damaged"
    assert found.json is not None and found.json["metadata"]["name"] == "web"
    assert "damaged" in found.json[UNDECODED]


def test_generic_fields_are_bounded_and_guessed() -> None:
    assert fields_by_number(int_field(1, -1) + int_field(1, 2) + int_field(1, 3)) == {"1": [-1, 2, 3]}
    assert fields_by_number(b"\x0a\x05ab") == {"damaged": "field is longer than its message at offset 0"}
    many = fields_by_number(int_field(1, 1) * 60_000)
    assert many["truncated"] == "more than 50000 fields" and len(many["1"]) == 50_000


def test_encodings_are_told_by_their_first_bytes() -> None:
    kinds = {
        b' \n{"apiVersion": "v1", "kind": "Pod"}\n': (Encoding.JSON, None),
        b"\xd9\xd9\xf7\xa2\x44kind\x43Pod\x4aapiVersion\x42v1": (Encoding.CBOR, None),
        b"apiVersion: v1\nkind: Pod\n": (Encoding.YAML, None),
        base64.b64encode(pod()): (Encoding.PROTOBUF, None),
        b"1234": (Encoding.TEXT, None),
        b"": (Encoding.TEXT, None),
        b"\x00\x01": (Encoding.BINARY, "no-object"),
        b"{}": (Encoding.JSON, "no-object"),
        b"\xd9\xd9\xf7\x01": (Encoding.CBOR, "no-object"),
        b'{"a": NaN}': (Encoding.JSON, "damaged"),
        b'{"a": ' + b"9" * 5000 + b"}": (Encoding.JSON, "damaged"),
        b"{" * 100_000: (Encoding.JSON, "damaged"),
        b'{"a":' * 100_000: (Encoding.JSON, "damaged"),
        b"\xd9\xd9\xf7" + b"\x81" * 5000: (Encoding.CBOR, "damaged"),
        b"kind: &a [x]\nspec: [*a, *a]": (Encoding.YAML, "damaged"),
        b"kind: [": (Encoding.YAML, "damaged"),
        b"azhzAA!!": (Encoding.TEXT, None),
    }
    for value, (encoding, problem) in kinds.items():
        found = decoder().decode(value)
        assert (found.encoding, found.problem.code if found.problem else None) == (encoding, problem), value[:40]


def test_half_a_surrogate_pair_does_not_survive() -> None:
    found = decoder().decode(
        b'{"apiVersion":"v1","kind":"ConfigMap","data":{"a\\ud800":"\\udfff","b":"\\ud83d\\udc33"}}'
    )
    assert found.json is not None and found.json["data"] == {"a\ufffd": "\ufffd", "b": "\U0001f433"}


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", 0),
        ("1bffffffffffffffff", 18446744073709551615),
        ("3903e7", -1000),
        ("63c3bc61", "\u00fca"),
        ("43c3bc61", "\u00fca"),
        ("d643010203", "AQID"),
        ("d5430102ff", "AQL_"),
        ("83010203", [1, 2, 3]),
        ("a1416101", {"a": 1}),
        ("f4", False),
        ("f6", None),
        ("f93c00", 1),
        ("f97bff", 65504),
        ("f98000", 0),
        ("fb3ff199999999999a", 1.1),
        ("fb7e37e43c8800759c", 1e300),
        ("d9d9f701", 1),
    ],
)
def test_cbor_as_the_api_server_writes_it(data: str, value: Any) -> None:
    found = cbor.decode(bytes.fromhex(data))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "18",
        "5bffffffffffffffff",
        "9bffffffffffffffff",
        "bb0fffffffffffffff",
        "9f01ff",
        "a10102",
        "f97e00",
        "f97c00",
        "d60001",
        "0000",
        "e0",
        "1c",
        "ff",
        "81" * (cbor.MAX_DEPTH + 1) + "00",
        "c1" * (cbor.MAX_DEPTH + 1) + "00",
    ],
    ids=lambda data: data[:20],
)
def test_cbor_that_is_damaged_or_claims_much_is_refused(data: str) -> None:
    with pytest.raises(FormatError):
        cbor.decode(bytes.fromhex(data))


def test_the_type_of_a_kind_is_found_by_its_group() -> None:
    names = {
        ("v1", "Pod"): "core.v1.Pod",
        ("apps/v1", "Deployment"): "apps.v1.Deployment",
        ("rbac.authorization.k8s.io/v1", "Role"): "rbac.v1.Role",
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): "flowcontrol.v1.FlowSchema",
        ("internal.apiserver.k8s.io/v1alpha1", "StorageVersion"): "apiserverinternal.v1alpha1.StorageVersion",
        ("apiregistration.k8s.io/v1", "APIService"): "apiregistration.v1.APIService",
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): "apiextensions.v1beta1.CustomResourceDefinition",
    }
    table = shipped_table()
    for (api_version, kind), name in names.items():
        assert message_name(api_version, kind) == name
        assert table.find(name) is not None
    assert table.package_since("resource.v1") == Release(1, 34)
    assert table.newest() == Release(1, 37)


def test_a_crd_that_is_stored_as_protobuf_prints_its_schema_as_json_schema() -> None:
    text = bytes_field(5, b"string")
    items = bytes_field(1, text)
    either = bytes_field(2, text) + bytes_field(2, bytes_field(5, b"integer"))
    properties = b"".join(
        bytes_field(29, bytes_field(1, name) + bytes_field(2, schema))
        for name, schema in {
            b"list": bytes_field(5, b"array") + bytes_field(24, items),
            b"either": bytes_field(24, either),
            b"open": bytes_field(30, int_field(1, 0)),
            b"typed": bytes_field(30, bytes_field(2, text)),
        }.items()
    )
    found = decoder().decode(envelope("apiextensions.k8s.io/v1", "JSONSchemaProps", properties)).json
    assert found is not None and found["properties"] == {
        "list": {"type": "array", "items": {"type": "string"}},
        "either": {"items": [{"type": "string"}, {"type": "integer"}]},
        "open": {"additionalProperties": False},
        "typed": {"additionalProperties": {"type": "string"}},
    }


@pytest.mark.parametrize("number", [0.1, -3.7e100, 5e-324, 1 / 3, 100, 0.5])
def test_a_double_is_eight_bytes_whatever_they_are(number: float) -> None:
    body = bytes([9 << 3 | protowire.FIXED64]) + struct.pack("<d", number) + bytes_field(5, b"number")
    found = decoder().decode(envelope("apiextensions.k8s.io/v1", "JSONSchemaProps", body))
    assert found.problem is None
    assert found.json is not None and found.json["maximum"] == number and found.json["type"] == "number"
