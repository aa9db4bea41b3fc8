"""Values from anywhere: whatever the bytes are, the answer is an object with a label, in bounded time and memory.

The long fuzzing is in tests/soak; here are bounded samples of it, and the shapes that once were or could be expensive.
"""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.formats.mvcc import KeyValue
from backstay.formats.protowire import bytes_field, int_field
from backstay.kube.decode import ObjectDecoder
from backstay.kube.encryption import Decryption
from backstay.kube.encryption.providers import KeyProvider, NamedKey
from backstay.kube.envelope import PROTOBUF_MAGIC
from backstay.kube.evidence import Evidence
from backstay.kube.keys import Layout
from backstay.kube.redaction import redact
from backstay.kube.release import Release
from backstay.kube.schema import shipped_table
from backstay.kube.values import PROBLEMS, KubernetesObject
from tests.parity.test_kubernetes_types import files
from tests.unit.kube.kubernetes_values import envelope, metadata, pod

KEY = bytes(32)
DECODER = ObjectDecoder(
    Layout(),
    Release(1, 37),
    Decryption({"*.*": [KeyProvider(kind, (NamedKey("k", KEY),)) for kind in ("aescbc", "aesgcm")]}),
)
GOLDEN = sorted(name for name in files() if name.startswith("1.37/") and name.endswith(".pb"))
KEYS = [b"/registry/pods/default/web", b"/registry/secrets/a/b", b"compact_rev_key", b"\xff", b"/registry/x.y/z/a"]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(key: bytes, value: bytes) -> KubernetesObject:
    """The object, after everything that anybody does with one."""
    item = KeyValue(key, 1, 2, 1, value)
    found = DECODER.decode(item)
    assert found.problem is None or found.problem.code in PROBLEMS
    for each in (found, redact(found)):
        json.dumps(each.json, allow_nan=False).encode("utf-8")
    Evidence(shipped_table()).add(item)
    return found


@QUICK
@given(
    st.sampled_from(KEYS),
    st.binary(max_size=400),
    st.sampled_from([b"", PROTOBUF_MAGIC, b"\xd9\xd9\xf7", b"{", b"k8s:enc:aescbc:v1:k:"]),
)
def test_any_bytes_give_an_object(key: bytes, value: bytes, start: bytes) -> None:
    read(key, start + value)


@QUICK
@given(st.sampled_from(GOLDEN), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4), st.floats(0, 1))
def test_damaged_objects_of_every_type_give_an_object(name: str, changes: list[tuple[float, int]], cut: float) -> None:
    value = bytearray(files()[name])
    for place, byte in changes:
        value[int(place * (len(value) - 1))] = byte
    for damaged in (bytes(value), bytes(value[: int(cut * len(value))])):
        read(b"/registry/pods/default/web", damaged)


@QUICK
@given(
    st.sampled_from([b"v1", b"apps/v1", b"apiextensions.k8s.io/v1beta1"]),
    st.sampled_from(["Pod", "Secret", "Deployment"]),
    st.recursive(
        st.binary(max_size=12),
        lambda inner: st.lists(st.tuples(st.integers(1, 40), inner), max_size=5).map(
            lambda fields: b"".join(bytes_field(number, content) for number, content in fields)
        ),
        max_leaves=30,
    ),
)
def test_messages_of_the_wrong_shape_give_an_object(api_version: bytes, kind: str, message: bytes) -> None:
    read(b"/registry/pods/a/b", envelope(api_version.decode(), kind, message))


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["spec", "names", "versions", "metadata", "kind", "conversion"]), inner, max_size=4
            )
        ),
    )
)
def test_crds_of_any_shape_give_an_object(spec: object) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1beta1",
        "kind": "CustomResourceDefinition",
        "metadata": spec,
        "spec": spec,
    }
    read(b"/registry/apiextensions.k8s.io/customresourcedefinitions/a.b", json.dumps(crd).encode())


def test_deep_nesting_ends() -> None:
    schema = b""
    for _ in range(400):
        schema = bytes_field(1, schema)
    assert read(KEYS[0], pod(spec=schema)).problem is None  # nested bytes of one text field, which a volume is not
    deep = b""
    for _ in range(3000):
        deep = bytes_field(11, bytes_field(2, deep))  # JSONSchemaProps.items.schema and so on, deeper than any stack
    found = read(KEYS[0], envelope("apiextensions.k8s.io/v1", "JSONSchemaProps", deep))
    assert found.problem is not None


def test_a_small_value_cannot_become_a_large_object() -> None:
    """Empty messages of two bytes print a hundred times as much: they are counted."""
    value = envelope("v1", "PodList", bytes_field(2, b"") * 700_000)
    assert len(value) < 1_500_000
    found = read(KEYS[0], value)
    assert found.problem is not None and "too many messages" in found.problem.text
    assert len(json.dumps(found.json)) < 10 << 20


def test_an_object_of_a_megabyte_and_a_half_is_shown_whole() -> None:
    data = b"".join(bytes_field(2, bytes_field(1, b"k%05d" % n) + bytes_field(2, b"v" * 900)) for n in range(1600))
    found = read(b"/registry/configmaps/a/b", envelope("v1", "ConfigMap", metadata("b", "a") + data))
    assert found.problem is None and found.json is not None and len(found.json["data"]) == 1600


def test_a_list_of_a_million_numbers_is_linear() -> None:
    groups = bytes_field(14, int_field(4, 1000) * 500_000)  # securityContext.supplementalGroups, one tag each
    found = read(KEYS[0], pod(spec=groups))
    assert found.json is not None and len(found.json["spec"]["securityContext"]["supplementalGroups"]) == 500_000
    numbers = envelope("v1", "Node", metadata("n") + bytes_field(2, bytes_field(7, b"10.0.0.0/24") * 100_000))
    found = read(KEYS[0], numbers)
    assert found.json is not None and len(found.json["spec"]["podCIDRs"]) == 100_000


def test_every_message_of_the_table_may_be_claimed_as_a_kind() -> None:
    for name in shipped_table().names():
        package, _, kind = name.rpartition(".")
        group, _, version = package.rpartition(".")
        for api_version in (f"{group}/{version}", version):
            for message in (b"", bytes_field(1, b"x"), bytes_field(2, b"\x08\x01")):
                read(KEYS[0], envelope(api_version, kind, message))
