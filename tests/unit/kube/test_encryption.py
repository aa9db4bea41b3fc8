"""Encryption at rest: the vectors of every provider, the order in which they are tried, and configurations that are refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest

from backstay import errors
from backstay.formats import protowire
from backstay.kube.encryption import LocalKeys, label_of, plugin_at, read_configuration, read_local_keys
from backstay.kube.encryption.kms import KmsProvider, Wrapped, read_encrypted_object
from backstay.kube.encryption.providers import KeyProvider, NamedKey
from backstay.kube.encryption.salsa import open_box
from backstay.kube.values import Problem

KEY = bytes(range(32))
ETCD_KEY = b"/registry/secrets/default/s1"
PLAIN = b"k8s\x00hello"
CBC = bytes.fromhex("101112131415161718191a1b1c1d1e1fb68d97d627cd7e1eac86a4000ea7ef9d")
GCM = bytes.fromhex("202122232425262728292a2bb902d57004fd7662753e7b7aaed5f31ad46ba8583461de60f8")
BOX = bytes.fromhex(
    "303132333435363738393a3b3c3d3e3f4041424344454647396a9e095688459313a65f13bbac7346f5081432febab2ad9e"
)
SEED = bytes(range(0x80, 0xA0))
V2 = (
    protowire.bytes_field(
        1, bytes(range(0xA0, 0xC0)) + bytes(range(0x20, 0x2C)) + bytes.fromhex("8013bd3f2b5b8684318652be351b118f0d873048693011b4e0")
    )
    + protowire.bytes_field(2, b"kid")
    + protowire.bytes_field(3, b"ENCSEED")
    + protowire.int_field(5, 1)
)  # fmt: skip


@pytest.mark.parametrize(("kind", "body"), [("aescbc", CBC), ("aesgcm", GCM), ("secretbox", BOX)])
def test_a_vector_opens_with_its_key_and_no_other(kind: str, body: bytes) -> None:
    value = f"k8s:enc:{kind}:v1:key1:".encode() + body
    assert KeyProvider(kind, (NamedKey("key1", KEY),)).open(ETCD_KEY, value) == PLAIN
    wrong = KeyProvider(kind, (NamedKey("key1", KEY[::-1]),)).open(ETCD_KEY, value)
    assert isinstance(wrong, Problem) and wrong.code == "decryption-failed"
    assert KeyProvider(kind, (NamedKey("key2", KEY),)).open(ETCD_KEY, value) is None
    both = KeyProvider(kind, (NamedKey("key1", KEY[::-1]), NamedKey("key1", KEY)))
    assert both.open(ETCD_KEY, value) == PLAIN, "two keys of one name: the next is tried"
    for size in range(len(body)):
        assert not isinstance(
            KeyProvider(kind, (NamedKey("key1", KEY),)).open(ETCD_KEY, value[: len(value) - 1 - size]), bytes
        )


def test_gcm_is_bound_to_its_key_in_etcd() -> None:
    provider = KeyProvider("aesgcm", (NamedKey("key1", KEY),))
    assert isinstance(provider.open(b"/registry/secrets/default/s2", b"k8s:enc:aesgcm:v1:key1:" + GCM), Problem)


def test_a_secretbox_longer_than_a_block_opens() -> None:
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    from backstay.kube.encryption import salsa

    nonce, text = bytes(24), bytes(range(256)) * 3
    subkey = salsa._hsalsa20(KEY, nonce[:16])
    stream = b"".join(salsa._block(subkey, nonce[16:], counter) for counter in range(14))
    ciphertext = bytes(a ^ b for a, b in zip(text, stream[32:], strict=False))
    box = nonce + Poly1305.generate_tag(stream[:32], ciphertext) + ciphertext
    assert open_box(KEY, box) == text
    assert open_box(KEY, box[:-1]) is None
    assert open_box(KEY, b"short") is None


def test_kms_v1_opens_payloads_of_both_ages() -> None:
    provider = KmsProvider("v1", "prov", None, LocalKeys({b"ENCDEK": KEY}))
    for payload in (GCM, CBC):
        assert provider.open(ETCD_KEY, b"k8s:enc:kms:v1:prov:" + b"\x00\x06ENCDEK" + payload) == PLAIN
    for body in (b"", b"\x00", b"\xff\xff", b"\x00\x06ENCDEK"):
        assert isinstance(provider.open(ETCD_KEY, b"k8s:enc:kms:v1:prov:" + body), Problem)


def test_kms_v2_opens_with_a_seed_and_says_whose_key_it_needs() -> None:
    value = b"k8s:enc:kms:v2:prov:" + V2
    assert KmsProvider("v2", "prov", None, LocalKeys({b"ENCSEED": SEED})).open(ETCD_KEY, value) == PLAIN
    missing = KmsProvider("v2", "prov", None, LocalKeys()).open(ETCD_KEY, value)
    assert isinstance(missing, Problem) and missing.code == "key-missing" and "'kid'" in missing.text
    wrong = KmsProvider("v2", "prov", None, LocalKeys({b"ENCSEED": KEY})).open(ETCD_KEY, value)
    assert isinstance(wrong, Problem) and wrong.code == "decryption-failed"
    odd = KmsProvider("v2", "prov", None, LocalKeys({b"ENCSEED": b"x"})).open(ETCD_KEY, value)
    assert isinstance(odd, Problem)
    found = read_encrypted_object(V2)
    assert (found.wrapped, found.source_type) == (Wrapped(b"ENCSEED", "kid"), 1)


class Plugin(grpc.GenericRpcHandler):
    """A key-management plugin that knows one seed and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.asked.append((call.method, request))
            if b"ENCSEED" not in request:
                context.abort(grpc.StatusCode.INTERNAL, "no such key")
            return protowire.bytes_field(1, SEED)

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[tuple[Plugin, str]]:
    endpoint, made = f"unix://{tmp_path}/kms.sock", Plugin()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(made,))
    server.add_insecure_port(endpoint)
    server.start()
    yield made, endpoint
    server.stop(None).wait()


def test_a_plugin_is_asked_once_per_wrapped_key(plugin: tuple[Plugin, str]) -> None:
    made, endpoint = plugin
    provider = KmsProvider("v2", "prov", plugin_at(endpoint, "v2"), LocalKeys())
    value = b"k8s:enc:kms:v2:prov:" + V2
    assert [provider.open(ETCD_KEY, value) for _ in range(3)] == [PLAIN] * 3
    assert len(made.asked) == 1
    method, request = made.asked[0]
    assert method == "/v2.KeyManagementService/Decrypt"
    assert {number: content for number, _, content in protowire.read_fields(request)} == {
        1: b"ENCSEED", 2: b"backstay", 3: b"kid",
    }  # fmt: skip


def test_a_plugin_that_refuses_is_left_alone_after_a_while(plugin: tuple[Plugin, str]) -> None:
    made, endpoint = plugin
    provider = KmsProvider("v1", "prov", plugin_at(endpoint, "v1"), LocalKeys())
    for number in range(6):
        found = provider.open(ETCD_KEY, b"k8s:enc:kms:v1:prov:\x00\x01" + bytes([number]) + GCM)
        assert isinstance(found, Problem) and found.code == "plugin-failed" and "no such key" in found.text
    assert len(made.asked) == 3
    assert made.asked[0][0] == "/v1beta1.KeyManagementService/Decrypt"


SECRET = base64.b64encode(KEY).decode()
CONFIGURATION = f"""
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox: {{keys: [{{name: box, secret: {SECRET}}}]}}
- resources: ['*.apps', pandas.awesome.bears.example]
  providers:
  - aesgcm: {{keys: [{{name: g, secret: {SECRET}}}]}}
  - identity: {{}}
- resources: [secrets, '*.']
  providers:
  - aescbc: {{keys: [{{name: key1, secret: {SECRET}}}]}}
- resources: ['*.*']
  providers:
  - kms: {{apiVersion: v2, name: cloud, endpoint: 'unix:///run/kms.sock'}}
"""


def test_providers_of_a_resource_are_those_that_the_api_server_takes() -> None:
    found = read_configuration(CONFIGURATION, "encryption.yaml")
    names = {
        resource: [name for provider in found.providers(resource) for name in provider.names]
        for resource in ("secrets", "configmaps", "deployments.apps", "pandas.awesome.bears.example", "jobs.batch")
    }
    assert names == {
        "secrets": ["k8s:enc:secretbox:v1:box", "k8s:enc:aescbc:v1:key1"],
        "configmaps": ["k8s:enc:aescbc:v1:key1"],
        "deployments.apps": ["k8s:enc:aesgcm:v1:g", "identity"],
        "pandas.awesome.bears.example": ["k8s:enc:aesgcm:v1:g", "identity"],
        "jobs.batch": ["k8s:enc:kms:v2:cloud"],
    }
    assert found.open(ETCD_KEY, "secrets", b"k8s:enc:secretbox:v1:box:" + BOX) == PLAIN
    assert found.open(ETCD_KEY, "secrets", b"k8s:enc:aescbc:v1:key1:" + CBC) == PLAIN
    for label in ("aescbc:v1:key9", "aesgcm:v1:g", "kms:v1:cloud", "strange:v9:x"):
        closed = found.open(ETCD_KEY, "secrets", f"k8s:enc:{label}:".encode() + GCM)
        assert isinstance(closed, Problem) and closed.code == "key-missing" and label in closed.text


def test_the_spelling_of_old_configurations_is_read() -> None:
    text = CONFIGURATION.replace("apiserver.config.k8s.io/v1", "v1").replace(
        "EncryptionConfiguration", "EncryptionConfig"
    )
    assert read_configuration(text, "x").providers("secrets")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v2"),
        ("'*.apps'", "'*'"),
        ("'*.apps'", "secrets.*"),
        ("'*.apps'", "Secrets"),
        ("'*.apps'", "events.events.k8s.io"),
        ("'*.apps'", "ingresses.extensions"),
        ("name: g, ", "name: '', "),
        (SECRET, "bm90IDMyIGJ5dGVz"),
        (SECRET, "!!"),
        ("identity: {}", "identity: {}\n    aescbc: {}"),
        ("aesgcm:", "rot13:"),
        ("unix:///run/kms.sock", "http://host"),
        ("name: cloud", "name: 'a:b'"),
        ("apiVersion: v2, ", "apiVersion: v3, "),
        ("resources: [secrets]", "resources: []"),
        ("resources:\n", "others:\n"),
        (CONFIGURATION, "["),
        (CONFIGURATION, "- 1"),
        (CONFIGURATION, ""),
    ],
)
def test_a_configuration_that_the_api_server_refuses_is_refused(old: str, new: str) -> None:
    assert old in CONFIGURATION
    with pytest.raises(errors.BackstayError) as caught:
        read_configuration(CONFIGURATION.replace(old, new, 1), "encryption.yaml")
    assert caught.value.kind is errors.ENCRYPTION_CONFIG_INVALID
    assert "encryption.yaml" in caught.value.where
    assert SECRET not in str(caught.value)


def test_local_keys_are_read_and_never_shown() -> None:
    keys = read_local_keys(f"keys: {{kek-1: {SECRET}}}\nunwrapped: {{RU5DU0VFRA==: {SECRET}}}", "keys.yaml")
    assert keys.find(Wrapped(b"ENCSEED")) == KEY
    assert keys.find(Wrapped(b"other", "kek-1")) is None
    assert SECRET not in repr(keys) and repr(KEY) not in repr(keys)
    for text in ("[", "- 1", "keys: 3", "keys: {a: '!!'}"):
        with pytest.raises(errors.BackstayError):
            read_local_keys(text, "keys.yaml")


def test_a_label_names_provider_and_key_and_nothing_behind() -> None:
    assert label_of(b"k8s:enc:aescbc:v1:key1:\xff\x00") == "k8s:enc:aescbc:v1:key1"
    assert label_of(b"k8s:enc:kms:v2:cloud:\x0a") == "k8s:enc:kms:v2:cloud"
    assert label_of(b"k8s:enc:") == "k8s:enc:"
    assert label_of(b"k8s\x00") == ""
