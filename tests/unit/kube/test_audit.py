"""Every finding of the audit has something that triggers it, and a sound store has none."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from backstay.errors import BackstayError
from backstay.findings import Finding
from backstay.formats.mvcc import KeyValue
from backstay.kube.audit import Audit, Terms, encryption_remedy
from backstay.kube.decode import ObjectDecoder
from backstay.kube.encryption import Decryption, read_configuration
from backstay.kube.keys import Layout
from backstay.kube.release import Release

NOW = datetime(2026, 11, 25, tzinfo=UTC)
KEY = base64.b64encode(bytes(32)).decode()
SECRET = {"kind": "Secret", "apiVersion": "v1", "data": {"p": "eA=="}}
LAYOUT = Layout()


def configuration(*providers: Any, resources: tuple[str, ...] = ("secrets",)) -> Decryption:
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": list(resources), "providers": list(providers)}],
    }
    return read_configuration(yaml.safe_dump(document), "here")


def aesgcm(name: str) -> dict[str, Any]:
    return {"aesgcm": {"keys": [{"name": name, "secret": KEY}]}}


def item(place: str, value: Any, revision: int = 5) -> KeyValue:
    """The object of a place such as `configmaps/shop/a`, named as its key says."""
    *_, namespace, name = ["", *place.split("/")[1:]] if place.count("/") == 1 else place.split("/")
    if isinstance(value, dict):
        metadata = {"name": name, "uid": place, **({"namespace": namespace} if namespace else {})}
        value = {**value, "metadata": {**metadata, **value.get("metadata", {})}}
        value = json.dumps(value).encode()
    return KeyValue(f"/registry/{place}".encode(), 1, revision, 1, value)


NAMESPACE = item("namespaces/shop", {"kind": "Namespace", "apiVersion": "v1"})


def codes(*items: KeyValue, **terms: Any) -> list[str]:
    return [finding.code for finding in found(*items, **terms)]


def found(
    *items: KeyValue,
    decryption: Decryption | None = None,
    target: Release = Release(1, 37),  # noqa: B008 - a tuple
    past: tuple[KeyValue, ...] = (),
) -> list[Finding]:
    audit = Audit(Terms(NOW, target, decryption))
    decoder = ObjectDecoder(LAYOUT, Release(1, 37), decryption)
    for each in (NAMESPACE, *items):
        audit.see(decoder.decode(each))
    for each in (*items, *past):
        identity = LAYOUT.identify(each.key)
        if identity is not None and audit.wants_past(identity.group_resource):
            audit.see_past(identity, each.key, each.mod_revision, each.value)
    return audit.findings()


def encrypted(key: str, secret_name: str, plain: bytes) -> KeyValue:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    body = bytes(12) + AESGCM(bytes(32)).encrypt(bytes(12), plain, f"/registry/{key}".encode())
    return item(key, f"k8s:enc:aesgcm:v1:{secret_name}:".encode() + body)


def sealed(name: str = "k1") -> KeyValue:
    metadata = {"name": "a", "namespace": "shop"}
    return encrypted("secrets/shop/a", name, json.dumps({**SECRET, "metadata": metadata}).encode())


def test_a_sound_store_has_no_findings() -> None:
    assert codes(sealed(), decryption=configuration(aesgcm("k1"), {"identity": {}})) == []
    assert codes(item("configmaps/shop/a", {"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "b"}})) == []


def test_a_secret_that_is_stored_as_it_is() -> None:
    (finding,) = found(item("secrets/shop/a", SECRET), item("secrets/shop/b", SECRET))
    assert finding.code == "kube-secret-plain"
    assert "2 of 2 are plain: shop/a, shop/b" in finding.evidence


def test_what_the_configuration_has_encrypted_and_the_store_has_not() -> None:
    decryption = configuration(aesgcm("k1"), {"identity": {}}, resources=("configmaps",))
    config = item("configmaps/shop/a", {"kind": "ConfigMap", "apiVersion": "v1"})
    assert codes(config, decryption=decryption) == ["kube-not-encrypted"]


def test_a_key_that_does_not_write_any_more_and_one_that_is_gone() -> None:
    assert codes(sealed("k1"), decryption=configuration(aesgcm("k2"), aesgcm("k1"))) == ["kube-stale-key"]
    assert codes(sealed("k0"), decryption=configuration(aesgcm("k2"), aesgcm("k1"))) == ["kube-unreadable"]
    broken = sealed("k1")._replace(value=sealed("k1").value[:-1] + b"\0")
    assert codes(broken, decryption=configuration(aesgcm("k1"))) == ["kube-unreadable"]


def test_a_configuration_that_encrypts_nothing_new() -> None:
    decryption = configuration({"identity": {}}, aesgcm("k1"))
    assert set(codes(item("secrets/shop/a", SECRET), decryption=decryption)) == {
        "kube-secret-plain",
        "kube-identity-first",
    }


def test_older_revisions_and_deleted_objects_that_are_plain() -> None:
    decryption = configuration(aesgcm("k1"), {"identity": {}})
    older = (item("secrets/shop/a", SECRET, 3), item("secrets/shop/gone", SECRET, 4))
    (finding,) = found(sealed(), decryption=decryption, past=older)
    assert finding.code == "kube-plain-past"
    assert finding.evidence.startswith("2 older revisions")


def test_a_private_key_in_a_config_map() -> None:
    data = {"tls.key": "-----BEGIN RSA PRIVATE KEY-----\nMII"}
    assert codes(item("configmaps/shop/a", {"kind": "ConfigMap", "apiVersion": "v1", "data": data})) == [
        "kube-sensitive-plain"
    ]


UNREADABLE = (
    "autoscaling/v2beta1 HorizontalPodAutoscaler horizontalpodautoscalers", "batch/v2alpha1 CronJob cronjobs",
    "autoscaling/v2beta2 HorizontalPodAutoscaler horizontalpodautoscalers",
    "coordination.k8s.io/v1alpha1 LeaseCandidate leasecandidates", "discovery.k8s.io/v1alpha1 EndpointSlice endpointslices",
    "flowcontrol.apiserver.k8s.io/v1alpha1 FlowSchema flowschemas", "networking.k8s.io/v1alpha1 ServiceCIDR servicecidrs",
    "resource.k8s.io/v1alpha2 ResourceClaim resourceclaims", "resource.k8s.io/v1alpha3 ResourceClaim resourceclaims",
    "scheduling.k8s.io/v1alpha2 Workload workloads",
    "storagemigration.k8s.io/v1alpha1 StorageVersionMigration storageversionmigrations",
)  # fmt: skip


@pytest.mark.parametrize("words", UNREADABLE)
def test_a_version_that_the_target_cannot_read(words: str) -> None:
    version, kind, resource = words.split()
    namespaced = next(each.namespaced for each in LAYOUT.resources if each.resource == resource)
    stored = item(f"{resource}/shop/a" if namespaced else f"{resource}/a", {"kind": kind, "apiVersion": version})
    assert codes(stored) == ["kube-version-unreadable"]


def test_a_version_that_the_target_reads_and_serves_no_more() -> None:
    stored = item("cronjobs/shop/a", {"kind": "CronJob", "apiVersion": "batch/v1beta1"})
    assert codes(stored) == ["kube-version-not-served"]
    assert codes(stored, target=Release(1, 24)) == []


def definition(**status: Any) -> KeyValue:
    names = {"plural": "cars", "kind": "Car"}
    spec = {
        "group": "example.test",
        "names": names,
        "scope": "Namespaced",
        "versions": [{"name": "v2", "storage": True}],
    }
    value = {
        "kind": "CustomResourceDefinition",
        "apiVersion": "apiextensions.k8s.io/v1beta1",
        "spec": spec,
        "status": status,
    }
    return item("apiextensions.k8s.io/customresourcedefinitions/cars.example.test", value)


def named_definition(**status: Any) -> KeyValue:
    each = definition(**status)
    document = json.loads(each.value)
    document["metadata"] = {"name": "cars.example.test", "uid": "crd"}
    return each._replace(value=json.dumps(document).encode())


def car(version: str) -> KeyValue:
    value = {
        "kind": "Car", "apiVersion": f"example.test/{version}",
        "metadata": {"name": "a", "namespace": "shop", "uid": "car"},
    }  # fmt: skip
    return KeyValue(b"/registry/example.test/cars/shop/a", 1, 5, 1, json.dumps(value).encode())


def test_a_custom_object_in_a_version_that_its_definition_has_not() -> None:
    assert codes(named_definition(), car("v1")) == ["kube-definition-versions"]
    assert codes(named_definition(), car("v2")) == []
    assert codes(named_definition(storedVersions=["v1", "v2"]), car("v2")) == ["kube-stored-versions"]


def test_an_object_whose_owner_is_gone() -> None:
    owner = {"uid": "gone", "kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    child = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"ownerReferences": [owner]}}
    (finding,) = found(item("configmaps/shop/a", child))
    assert finding.code == "kube-orphan"
    assert "configmaps shop/a of Deployment web" in finding.evidence


def test_objects_without_namespace_or_definition() -> None:
    assert codes(item("configmaps/nowhere/a", {"kind": "ConfigMap", "apiVersion": "v1"})) == ["kube-no-namespace"]
    assert codes(car("v2")) == ["kube-no-definition"]


def test_a_claim_without_its_volume_and_a_volume_without_its_claim() -> None:
    claim = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "spec": {"volumeName": "pv"},
        "status": {"phase": "Bound"},
    }
    volume = {
        "kind": "PersistentVolume", "apiVersion": "v1", "status": {"phase": "Bound"},
        "spec": {"claimRef": {"namespace": "shop", "name": "a", "uid": "other"}},
    }  # fmt: skip
    assert codes(item("persistentvolumeclaims/shop/a", claim)) == ["kube-no-volume"]
    assert codes(item("persistentvolumes/pv", volume)) == ["kube-no-volume"]


def test_a_deletion_that_hangs() -> None:
    metadata = {"deletionTimestamp": "2026-11-24T00:00:00Z"}
    stuck = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    assert codes(item("configmaps/shop/a", stuck)) == ["kube-deletion-hangs"]
    metadata["deletionTimestamp"] = "2026-11-24T23:59:00Z"
    assert codes(item("configmaps/shop/a", stuck)) == []


def test_keys_outside_of_the_prefix_and_those_that_are_known() -> None:
    assert codes(KeyValue(b"/other/thing", 1, 5, 1, b"x")) == ["kube-outside-prefix"]
    assert codes(KeyValue(b"compact_rev_key", 1, 5, 1, b"5"), KeyValue(b"k3s/apiaddresses", 1, 5, 1, b"[]")) == []
    assert codes(KeyValue(b"/bootstrap/0123456789ab", 1, 5, 1, b"salt:AAAA")) == ["kube-bootstrap-data"]


def test_an_object_that_names_itself_otherwise_than_its_key() -> None:
    forged = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "other"}}
    assert codes(item("configmaps/shop/a", forged)) == ["kube-other-name"]


def test_a_value_that_cannot_be_decoded() -> None:
    assert codes(item("configmaps/shop/a", b"k8s\0\x0a\xff")) == ["kube-undecodable"]


@pytest.mark.parametrize(
    ("days", "expected"), [(-1, ["kube-certificate-expired"]), (10, ["kube-certificate-expires"]), (90, [])]
)
def test_certificates_that_expire(days: int, expected: list[str]) -> None:
    data = {
        "tls.crt": base64.b64encode(certificate(NOW + timedelta(days=days))).decode(),
        "other": "LS0tLS1CRUdJTiBDRVJU",
    }
    secret = item("secrets/shop/a", {**SECRET, "data": data})
    assert [code for code in codes(secret) if "certificate" in code] == expected


def certificate(until: datetime) -> bytes:
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(until - timedelta(days=300)).not_valid_after(until)
    return builder.sign(key, None).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("provider", ["secretbox", "aesgcm", "aescbc"])
def test_the_remedy_is_a_configuration_that_writes_with_a_fresh_key(provider: str) -> None:
    remedy = encryption_remedy(["secrets", "cars.example.test"], provider, NOW, lambda size: bytes(size))
    decryption = read_configuration(remedy.configuration, "remedy")
    for resource in ("secrets", "cars.example.test"):
        first, last = decryption.providers(resource)
        assert first.names == (f"k8s:enc:{provider}:v1:key-20261125000000",)
        assert last.names == ("identity",)
        assert any(f"kubectl get {resource} --all-namespaces" in step for step in remedy.steps)
    assert not any(KEY in step for step in remedy.steps)


def test_the_remedy_keeps_what_the_present_configuration_can_read() -> None:
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets", "configmaps"], "providers": [{"identity": {}}, aesgcm("old")]}],
    }  # fmt: skip
    remedy = encryption_remedy(["secrets"], "aesgcm", NOW, lambda size: b"n" * size, present=yaml.safe_dump(document))
    decryption = read_configuration(remedy.configuration, "remedy")
    names = [name for provider in decryption.providers("configmaps") for name in provider.names]
    assert names == ["k8s:enc:aesgcm:v1:key-20261125000000", "k8s:enc:aesgcm:v1:old", "identity"]
    assert codes(sealed("old"), decryption=decryption) == ["kube-stale-key"]


def test_a_provider_that_is_none_is_refused() -> None:
    with pytest.raises(BackstayError, match="no provider"):
        encryption_remedy(["secrets"], "rot13", NOW, lambda size: bytes(size))


def test_hostile_objects_end_in_findings_and_not_in_an_exception() -> None:
    odd: tuple[Any, ...] = (None, [], "x", 1, {"a": []}, [{"uid": []}])
    assert all(isinstance(each, str) for each in _hostile(odd))


def _hostile(odd: tuple[Any, ...]) -> Iterator[str]:
    for place, kind in (
        ("secrets/shop/a", "Secret"),
        ("persistentvolumes/a", "PersistentVolume"),
        ("pods/shop/a", "Pod"),
    ):
        for value in odd:
            for field in ("metadata", "spec", "status", "data", "type"):
                raw = json.dumps({"kind": kind, "apiVersion": "v1", field: value}).encode()
                yield from codes(item(place, raw))
