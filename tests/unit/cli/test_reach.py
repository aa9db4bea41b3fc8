"""How what was said and what was found become one set of connection options."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.reach import host_root, reach
from backstay.cli.settings import ConnectionSettings, resolve
from tests.unit.etcd.test_discovery import HEALTHCHECK, PKI, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def settings(**environment: str) -> ConnectionSettings:
    return resolve({}, environment)


def nobody(endpoint: object) -> bool:
    return False


def test_without_a_word_the_installation_of_this_host_is_meant(host: Host) -> None:
    host.kubeadm()
    reached = reach(settings(), root=host.root, listens=nobody)
    assert [str(endpoint) for endpoint in reached.options.endpoints] == ["https://127.0.0.1:2379"]
    assert reached.options.credentials.cert == host.path(HEALTHCHECK[0])
    assert reached.installation is not None
    assert reached.reasons


def test_endpoints_of_the_environment_are_used_as_they_are(host: Host) -> None:
    host.kubeadm()
    reached = reach(settings(ETCDCTL_ENDPOINTS="http://10.9.9.9:2379"), root=host.root, listens=nobody)
    assert [str(endpoint) for endpoint in reached.options.endpoints] == ["http://10.9.9.9:2379"]
    assert reached.options.credentials.cert == ""
    assert reached.reasons == ("http://10.9.9.9:2379 as ETCDCTL_ENDPOINTS says",)


def test_members_of_the_cluster_that_is_here_get_its_certificates(host: Host) -> None:
    host.kubeadm()
    both = reach(settings(ETCDCTL_ENDPOINTS="https://10.0.0.10:2379,https://10.0.0.11:2379"), root=host.root)
    assert both.options.credentials.cert == host.path(HEALTHCHECK[0])
    stranger = reach(settings(ETCDCTL_ENDPOINTS="https://10.0.0.10:2379,https://10.8.8.8:2379"), root=host.root)
    assert stranger.options.credentials.cert == ""
    own = settings(ETCDCTL_ENDPOINTS="https://10.0.0.10:2379", ETCDCTL_CACERT="/own/ca.crt")
    assert reach(own, root=host.root).options.credentials.cacert == "/own/ca.crt"
    assert reach(own, root=host.root).options.credentials.cert == ""


def test_what_is_said_of_certificates_and_times_wins_over_what_is_found(host: Host) -> None:
    host.kubeadm()
    said = settings(
        ETCDCTL_CERT="/own/me.crt", ETCDCTL_KEY="/own/me.key", ETCDCTL_USER="root:secret", ETCDCTL_DIAL_TIMEOUT="7s",
        BACKSTAY_COMMAND_TIMEOUT="1m", ETCDCTL_KEEPALIVE_TIME="9s",
    )  # fmt: skip
    options = reach(said, root=host.root, listens=nobody).options
    assert (options.credentials.cert, options.credentials.key) == ("/own/me.crt", "/own/me.key")
    assert options.credentials.cacert == host.path(f"{PKI}/etcd/ca.crt")
    assert (options.credentials.user, options.credentials.password) == ("root", "secret")
    times = (options.dial_timeout_seconds, options.command_timeout_seconds, options.keepalive_interval_seconds)
    assert times == (7.0, 60.0, 9.0)


def test_where_nothing_is_found_etcdctls_default_is_tried(host: Host) -> None:
    reached = reach(settings(), root=host.root, listens=lambda endpoint: True)
    assert [str(endpoint) for endpoint in reached.options.endpoints] == ["http://127.0.0.1:2379"]
    secure = reach(settings(ETCDCTL_CACERT="/own/ca.crt"), root=host.root, listens=lambda endpoint: True)
    assert [str(endpoint) for endpoint in secure.options.endpoints] == ["https://127.0.0.1:2379"]


def test_where_nothing_is_found_and_nobody_listens_the_places_are_named(host: Host) -> None:
    host.write({"etc/kubernetes/manifests/etcd.yaml": "kind: ["})
    with pytest.raises(errors.BackstayError) as caught:
        reach(settings(), root=host.root, listens=nobody)
    assert caught.value.kind is errors.NO_ETCD_FOUND
    assert "/etc/kubernetes/manifests/etcd.yaml" in caught.value.where
    assert "installation-unreadable" in caught.value.why


def test_a_key_that_cannot_be_read_ends_it_unless_another_is_given(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.kubeadm()
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr("backstay.etcd.discovery.HostFiles.why_unreadable", lambda files, path: denied)
    with pytest.raises(errors.BackstayError) as caught:
        reach(settings(), root=host.root, listens=nobody)
    assert caught.value.kind is errors.CREDENTIALS_UNREADABLE
    own = settings(ETCDCTL_CERT="/own/me.crt", ETCDCTL_KEY="/own/me.key", ETCDCTL_CACERT="/own/ca.crt")
    assert reach(own, root=host.root, listens=nobody).options.credentials.key == "/own/me.key"


def test_the_host_may_be_mounted_elsewhere() -> None:
    assert host_root({}) == Path("/")
    assert host_root({"BACKSTAY_HOST_ROOT": "/host"}) == Path("/host")
