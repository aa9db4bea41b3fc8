"""Endpoints and credentials as users write them."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd.connection import ConnectionOptions, Credentials, Endpoint


@pytest.mark.parametrize(
    ("text", "shown", "target"),
    [
        ("127.0.0.1", "http://127.0.0.1:2379", "dns:///127.0.0.1:2379"),
        (" etcd-1:4001 ", "http://etcd-1:4001", "dns:///etcd-1:4001"),
        ("https://etcd.example/", "https://etcd.example:2379", "dns:///etcd.example:2379"),
        ("https://[::1]:2379", "https://[::1]:2379", "dns:///[::1]:2379"),
        ("unix:/run/etcd.sock", "unix:/run/etcd.sock", "unix:/run/etcd.sock"),
        ("unixs:///run/etcd.sock", "unixs:/run/etcd.sock", "unix:/run/etcd.sock"),
    ],
)
def test_an_endpoint_is_read_as_etcdctl_reads_it(text: str, shown: str, target: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (str(endpoint), endpoint.target) == (shown, target)


@pytest.mark.parametrize(
    "text",
    [
        "", "ftp://a:1", "http://a:99999", "http://a:0", "http://a:x", "http://a/path", "http://u@a", "http://a?x=1",
        "a b", "http://", "unix:", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BackstayError) as caught:
        Endpoint.parse(text)
    assert caught.value.kind is errors.USAGE
    assert "https://127.0.0.1:2379" in caught.value.next_step


def test_credentials_decide_what_an_endpoint_without_a_scheme_means() -> None:
    def scheme(credentials: Credentials) -> str:
        return ConnectionOptions.of(["a"], credentials).endpoints[0].scheme

    assert scheme(Credentials()) == "http"
    assert scheme(Credentials(cacert="ca.crt")) == "https"
    assert scheme(Credentials(insecure_skip_tls_verify=True)) == "https"
    assert scheme(Credentials(cacert="ca.crt", insecure_transport=True)) == "http"


def test_secrets_do_not_show() -> None:
    for secret in (Credentials(user="root", password="geheim"), Credentials(token="geheim")):
        assert "geheim" not in repr(secret)


@pytest.mark.parametrize(
    "given",
    [{"cert": "a"}, {"key": "a"}, {"user": "a", "token": "b"}, {"password": "a"}],
    ids=lambda given: "-".join(given),
)
def test_credentials_that_contradict_each_other_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(BackstayError) as caught:
        Credentials(**given)
    assert caught.value.kind is errors.USAGE


def test_options_need_an_endpoint_and_time() -> None:
    with pytest.raises(BackstayError):
        ConnectionOptions(())
    with pytest.raises(BackstayError):
        ConnectionOptions((Endpoint.parse("a"),), dial_timeout_seconds=0)
