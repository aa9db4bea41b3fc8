"""The Kubernetes objects of a source: choices, older revisions, histories, the cluster's own resources, other prefixes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backstay import errors
from backstay.formats import bbolt, mvcc, schema
from backstay.formats.mvcc import RevisionKey
from backstay.formats.protowire import bytes_field, int_field
from backstay.kube.encryption import Decryption
from backstay.kube.encryption.providers import KeyProvider, NamedKey
from backstay.kube.release import Release
from backstay.sources import open_source
from backstay.sources.objects import Choice, Objects, Settings, open_objects
from backstay.sources.objects.changes import changes
from backstay.values import Revision
from tests.unit.kube.kubernetes_values import envelope, metadata, pod, write_store

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1beta1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.shop.example.com"},
    "spec": {
        "group": "shop.example.com", "scope": "Namespaced", "version": "v1",
        "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
    },
}  # fmt: skip
WIDGET = {
    "apiVersion": "shop.example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "a", "namespace": "default"},
    "spec": {"n": 1},
}
WRITES: list[tuple[bytes, bytes | None]] = [
    (b"/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.shop.example.com", json.dumps(CRD).encode()),
    (b"/registry/pods/default/web", pod()),
    (b"/registry/pods/other/web", pod("web", "other")),
    (b"/registry/minions/node-1", envelope("v1", "Node", metadata("node-1"))),
    (b"/registry/shop.example.com/widgets/default/a", json.dumps(WIDGET).encode()),
    (b"/registry/pods/default/gone", pod("gone")),
    (b"/registry/pods/default/gone", None),
    (b"/registry/services/specs/default/web", envelope("v1", "Service", metadata("web", "default"))),
    (b"/registry/pods/default/web", pod()),
    (b"compact_rev_key", b"2"),
    (b"/registry/podtemplates/default/web", envelope("v1", "PodTemplate", metadata("web", "default"))),
]


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    with open_objects(open_source(str(write_store(tmp_path / "db", WRITES)))) as opened:
        yield opened


def names(found: Iterator[object]) -> list[str]:
    return [str(each.identity) for each in found]  # type: ignore[attr-defined]


def test_a_choice_gives_what_it_names_and_nothing_else(objects: Objects) -> None:
    pods = objects.find("po")
    for choice, wanted in {
        Choice(pods): ["pods default/web", "pods other/web"],
        Choice(pods, "other"): ["pods other/web"],
        Choice(pods, "default", "web"): ["pods default/web"],
        Choice(pods, None, "web"): ["pods default/web", "pods other/web"],
        Choice(objects.find("nodes")): ["nodes node-1"],
        Choice(objects.find("nodes"), "default"): ["nodes node-1"],
        Choice(None, ""): ["customresourcedefinitions.apiextensions.k8s.io widgets.shop.example.com", "nodes node-1"],
        Choice(None, "default", "web"): ["pods default/web", "podtemplates default/web", "services default/web"],
        Choice(objects.find("wd")): ["widgets.shop.example.com default/a"],
        Choice(pods, "nowhere"): [],
    }.items():
        assert names(objects.objects(choice)) == wanted, choice
        assert names(objects.heads(choice)) == wanted, choice


def test_a_listing_has_every_key_with_the_kinds_of_the_clusters_own_resources(objects: Objects) -> None:
    heads = list(objects.heads())
    assert [head.key for head in heads] == sorted({key for key, _ in WRITES} - {b"/registry/pods/default/gone"})
    kinds = {head.key: head.identity.kind for head in heads}
    assert kinds[b"/registry/shop.example.com/widgets/default/a"] == "Widget"
    assert kinds[b"compact_rev_key"] == ""
    for head, each in zip(heads, objects.objects(), strict=True):
        assert (head.key, *head[2:]) == (
            each.key,
            each.create_revision,
            each.mod_revision,
            each.version,
            each.lease,
            each.size,
        )


def test_one_object_is_got_read_and_looked_up(objects: Objects) -> None:
    web = objects.get(objects.find("svc"), "web", "default")
    assert web is not None and web.json is not None and web.json["metadata"]["resourceVersion"] == "9"
    assert objects.get(objects.find("svc"), "nothing", "default") is None
    assert objects.read(b"/registry/pods/default/gone") is None
    for text in ("/registry/services/default/web", "svc/default/web", "services/web"):
        assert objects.look_up(text).key == b"/registry/services/specs/default/web"
    assert objects.look_up("wd/default/a").identity.kind == "Widget"
    with pytest.raises(errors.BackstayError) as caught:
        objects.look_up("/registry/services/default/nothing")
    assert caught.value.kind is errors.OBJECT_NOT_FOUND
    assert "/registry/services/specs/default/nothing" in caught.value.why


def test_an_unknown_resource_is_told_with_what_was_meant(objects: Objects) -> None:
    with pytest.raises(errors.BackstayError) as caught:
        objects.find("deploymnets")
    assert caught.value.kind is errors.RESOURCE_UNKNOWN and "deployments" in caught.value.next_step


def test_older_revisions_and_histories(objects: Objects) -> None:
    older = objects.at(Revision(7))
    assert names(older.objects(Choice(older.find("pods")))) == [
        "pods default/gone",
        "pods default/web",
        "pods other/web",
    ]
    assert older.revision == 7 and older.release == objects.release
    web = older.read(b"/registry/pods/default/web")
    assert web is not None and web.mod_revision == 3
    life = [(past.revision, past.object is None) for past in objects.history(b"/registry/pods/default/gone")]
    assert life == [(7, False), (8, True)]
    assert [past.revision for past in older.history(b"/registry/pods/default/gone")] == [7]
    pods = list(objects.past(Choice(objects.find("pods"))))
    assert [(past.revision, past.identity.name, past.object is None) for past in pods] == [
        (3, "web", False), (4, "web", False), (7, "gone", False), (8, "gone", True), (10, "web", False),
    ]  # fmt: skip
    assert len(list(objects.past())) == len(WRITES)


def test_objects_are_shown_as_the_release_that_was_said(tmp_path: Path) -> None:
    path = write_store(tmp_path / "db", WRITES)
    key = b"/registry/podtemplates/default/web"
    shown = {}
    for release in (Release(1, 33), Release(1, 34)):
        with open_objects(open_source(str(path)), Settings(release=release)) as objects:
            found = objects.read(key)
            assert found is not None and found.json is not None
            shown[release] = found.json["template"]["metadata"]
    assert shown == {Release(1, 33): {"creationTimestamp": None}, Release(1, 34): {}}


def test_the_prefix_is_found_or_said_and_bound_to_what_is_encrypted(tmp_path: Path) -> None:
    secret = envelope("v1", "Secret", metadata("s", "a"))
    key = b"/kubernetes.io/secrets/a/s"
    sealed = b"k8s:enc:aesgcm:v1:1:" + bytes(12) + AESGCM(bytes(32)).encrypt(bytes(12), secret, key)
    moved = b"/openshift.io/secrets/a/s"
    path = write_store(
        tmp_path / "db",
        [(key, sealed), (moved, sealed), (b"/openshift.io/routes/a/r", b'{"apiVersion":"v1","kind":"Route"}')],
    )
    decryption = Decryption({"secrets": [KeyProvider("aesgcm", (NamedKey("1", bytes(32)),))]})
    with open_objects(open_source(str(path)), Settings(decryption=decryption)) as objects:
        assert objects.layout.prefixes == ("/kubernetes.io", "/openshift.io")
        opened, closed = objects.read(key), objects.read(moved)
        assert opened is not None and opened.json is not None and opened.json["kind"] == "Secret"
        assert closed is not None and closed.problem is not None and closed.problem.code == "decryption-failed"
        assert [str(head.identity) for head in objects.heads()] == ["secrets a/s", "routes a/r", "secrets a/s"]
    with open_objects(open_source(str(path)), Settings(prefixes=("openshift.io",))) as objects:
        assert [head.identity.resource for head in objects.heads()] == ["", "routes", "secrets"]


def test_an_empty_store_has_no_objects_and_the_newest_release(tmp_path: Path) -> None:
    with open_objects(open_source(str(write_store(tmp_path / "db", [])))) as objects:
        assert list(objects.heads()) == list(objects.objects()) == list(objects.past()) == []
        assert objects.release == Release(1, 37)


@pytest.mark.parametrize("others", [0, 2000], ids=["small", "large"])
def test_two_forks_of_one_restore_are_told_apart_though_their_revisions_and_sizes_are_equal(
    tmp_path: Path, others: int
) -> None:
    def fork(name: str, number: int) -> Path:
        changed = json.dumps({**WIDGET, "spec": {"n": number}}).encode()
        same = [(f"/registry/pods/default/pod-{each:04}".encode(), pod(f"pod-{each:04}")) for each in range(others)]
        return write_store(
            tmp_path / name, [*WRITES, *same, (b"/registry/shop.example.com/widgets/default/a", changed)]
        )

    with (
        open_objects(open_source(str(fork("one", 2)))) as one,
        open_objects(open_source(str(fork("other", 3)))) as other,
    ):
        assert one.revision == other.revision
        (change,) = changes(one, other)
        assert [(each.path, each.before, each.after) for each in change.fields] == [("spec.n", 2, 3)]


def test_records_that_no_etcd_writes_are_told_apart_too(tmp_path: Path) -> None:
    def store(name: str, value: bytes) -> Path:
        # The value stands before the key, so it cannot be compared where it lies.
        record = (
            bytes_field(5, value)
            + bytes_field(1, b"/registry/configmaps/a/b")
            + b"".join(int_field(field, 2) for field in (2, 3, 4))
        )
        pages: list[bytes] = []
        built = bbolt.build([(schema.KEY, [(mvcc.encode_revision(RevisionKey(2, 0)), record)])], pages.extend)
        (tmp_path / name).write_bytes(built.meta_pages + b"".join(pages))
        return tmp_path / name

    with (
        open_objects(open_source(str(store("one", b"text")))) as one,
        open_objects(open_source(str(store("other", b"next")))) as other,
    ):
        (change,) = changes(one, other)
        assert [(each.path, each.before, each.after) for each in change.fields] == [("(value)", "text", "next")]
