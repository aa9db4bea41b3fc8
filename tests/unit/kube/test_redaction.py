"""Secrets without their values, wherever and however they are stored."""

from __future__ import annotations

import base64
import json

import pytest

from backstay.formats.mvcc import KeyValue
from backstay.formats.protowire import bytes_field
from backstay.kube.compare.fields import FieldChange
from backstay.kube.compare.shown import hidden_field
from backstay.kube.decode import ObjectDecoder
from backstay.kube.keys import Layout
from backstay.kube.redaction import REDACTED, redact, redacted
from backstay.kube.release import Release
from tests.unit.kube.kubernetes_values import envelope, metadata

VALUE = b"correct horse battery staple"
TEXT = base64.b64encode(VALUE).decode()
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": TEXT, "a": "b"}},
    "data": {"password": TEXT, "empty": "", "odd": 7},
    "stringData": {"password": VALUE.decode()},
    "type": "Opaque",
}
PROTOBUF = envelope("v1", "Secret", metadata("s") + bytes_field(2, bytes_field(1, b"password") + bytes_field(2, VALUE)))


@pytest.mark.parametrize("key", [b"/registry/secrets/a/s", b"/elsewhere/a/s", b"/registry/x.y/secrets/a/s"])
@pytest.mark.parametrize(
    "value",
    [
        json.dumps(SECRET).encode(),
        json.dumps(SECRET).encode()[:-3],
        PROTOBUF,
        PROTOBUF[:-4],
        PROTOBUF.replace(b"password", b"\xff" * 8),
        PROTOBUF.replace(b"v1", b"v9"),
    ],
)
def test_no_value_of_a_secret_is_shown(key: bytes, value: bytes) -> None:
    found = ObjectDecoder(Layout(), Release(1, 37)).decode(KeyValue(key, 1, 1, 1, value))
    shown = redact(found)
    printed = json.dumps([shown.json, shown.text, str(shown.problem)])
    assert TEXT not in printed and VALUE.decode() not in printed
    if found.json is not None and found.problem is None and "stringData" in found.json:
        assert shown.json is not None
        assert shown.json["data"] == {
            "password": "<redacted: 28 bytes>",
            "empty": "<redacted: 0 bytes>",
            "odd": "<redacted>",
        }
        assert shown.json["metadata"]["annotations"]["a"] == "b"
        assert found.json["data"]["password"] == TEXT, "the object itself stays as it is"


def test_what_is_no_secret_stays_as_it_is() -> None:
    config_map = envelope("v1", "ConfigMap", metadata("c"))
    found = ObjectDecoder(Layout(), Release(1, 37)).decode(KeyValue(b"/registry/configmaps/a/c", 1, 1, 1, config_map))
    assert redact(found) is found


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("kapp.k14s.io/original", json.dumps(SECRET)),
        ("objectset.rio.cattle.io/applied", "H4sIAAAAAAAA/6pWSkksSVSyqlYqSCwuLs8vSlGyUkpMSlaqBQQAAP//"),
        ("banzaicloud.com/last-applied", "UEsDBBQ"),
        ("a.tool/nobody-knows", json.dumps({"data": {"password": TEXT}})),
    ],
)
def test_copies_of_a_secret_that_tools_keep_in_annotations_are_no_more_shown_than_itself(
    annotation: str, value: str
) -> None:
    item = {"kind": "Secret", "apiVersion": "v1", "metadata": {"annotations": {annotation: value, "a": "b"}}}
    assert redacted(item)["metadata"]["annotations"] == {annotation: REDACTED, "a": "b"}
    changed = hidden_field(FieldChange(f"metadata.annotations[{annotation}]", "old " + value, value))
    assert value not in f"{changed.before}{changed.after}"
    assert hidden_field(FieldChange("metadata.annotations[x.y/z]", "1", "2")).after == "2"
