"""A server's settings: etcd's flags, variables and file read as etcd reads them, and nothing unsupported taken silently."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.settings import (
    FLAGS,
    AutoCompaction,
    CompactionMode,
    Given,
    LogFormat,
    LogLevel,
    Resolved,
    ServerSettings,
    Standing,
    Url,
    gather,
    resolve,
)

NOTHING = MappingProxyType[str, str]({})


def settings(**flags: str) -> ServerSettings:
    return resolved(**flags).settings


def resolved(**flags: str) -> Resolved:
    return resolve({name.replace("_", "-"): Given(text, f"--{name}") for name, text in flags.items()})


def refusal(**flags: str) -> BackstayError:
    with pytest.raises(BackstayError) as caught:
        resolved(**flags)
    return caught.value


def from_file(text: str, **flags: str) -> Resolved:
    given, notices = gather({"config-file": "etcd.yaml", **flags}, {"ETCD_NAME": "ignored"}, lambda _: text.encode())
    found = resolve(given)
    return Resolved(found.settings, (*notices, *found.notices))


def test_nothing_given_is_etcds_defaults() -> None:
    assert settings() == ServerSettings(data_directory=Path("default.etcd"))


def test_every_default_can_be_written_out_without_being_refused() -> None:
    spelled = {name: Given(flag.default, f"--{name}") for name, flag in FLAGS.items() if flag.default}
    del spelled["data-dir"]
    spelled["max-concurrent-streams"] = Given("4294967295", "--max-concurrent-streams")
    assert resolve(spelled).settings == settings()


def test_what_is_refused_or_has_no_effect_says_what_to_do() -> None:
    for flag in FLAGS.values():
        assert bool(flag.remark) == (flag.standing is not Standing.SUPPORTED), flag.name
        assert flag.meaning.endswith("."), flag.name


@pytest.mark.parametrize(
    "name, text",
    [
        ("wal-dir", "/fast/wal"),
        ("discovery-endpoints", "http://a:2379"),
        ("discovery-srv", "example.com"),
        ("enable-distributed-tracing", "true"),
        ("enable-log-rotation", "true"),
        ("socket-reuse-port", "true"),
        ("enable-v2", "true"),
        ("proxy", "on"),
    ],
)
def test_an_unsupported_flag_is_refused_by_name(name: str, text: str) -> None:
    found = refusal(**{name: text})
    assert found.kind is errors.SETTING_UNSUPPORTED
    assert name in found.what
    assert found.next_step == FLAGS[name].remark


def test_a_flag_without_effect_is_taken_and_noted() -> None:
    (notice,) = (each for each in resolved(peer_cert_file="peer.crt").notices if each.fields.get("flag"))
    assert notice.fields["flag"] == "peer-cert-file"
    assert not notice.warns


@pytest.mark.parametrize(
    "name, text",
    [
        ("snapshot-count", "many"),
        ("snapshot-count", "-1"),
        ("heartbeat-interval", "0"),
        ("election-timeout", "400"),
        ("election-timeout", "60000"),
        ("client-cert-auth", "maybe"),
        ("watch-progress-notify-interval", "10"),
        ("listen-client-urls", "127.0.0.1:2379"),
        ("listen-client-urls", "http://127.0.0.1"),
        ("listen-client-urls", "http://127.0.0.1:x"),
        ("listen-client-urls", "http://127.0.0.1:99999"),
        ("listen-client-urls", "http://127.0.0.1:1/path"),
        ("listen-client-urls", "http://example.com:2379"),
        ("listen-client-urls", "https://127.0.0.1:2379"),
        ("listen-client-urls", ""),
        ("listen-peer-urls", "nowhere"),
        ("log-level", "loud"),
        ("log-format", "xml"),
        ("logger", "capnslog"),
        ("initial-cluster-state", "old"),
        ("auto-compaction-mode", "weekly"),
        ("auto-compaction-retention", "a while"),
        ("auto-compaction-retention", "-1"),
        ("auth-token", "cookie"),
        ("auth-token", "jwt"),
        ("auth-token", "jwt,sign-method"),
        ("feature-gates", "Nope=true"),
        ("feature-gates", "AllBeta=perhaps"),
        ("feature-gates", "LeaseCheckpointPersist=true"),
        ("max-concurrent-streams", "4294967296"),
        ("tls-min-version", "TLS1.0"),
        ("cert-file", "server.crt"),
        ("initial-cluster", "other=http://localhost:2380"),
        ("initial-cluster", "default=http://localhost:9999"),
        ("initial-cluster", "default"),
        ("initial-cluster", "default=localhost"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_it(name: str, text: str) -> None:
    found = refusal(**{name: text})
    assert found.kind is errors.SETTING_INVALID
    assert found.where.endswith(name)
    assert found.why


def test_an_initial_cluster_of_this_member_is_accepted_and_of_several_refused_with_the_way_out() -> None:
    alone = settings(
        name="a",
        initial_cluster="a=http://10.0.0.1:2380,a=http://10.0.0.2:2380",
        initial_advertise_peer_urls="http://10.0.0.2:2380,http://10.0.0.1:2380",
        initial_cluster_token="mine",
    )
    assert alone.peer_urls == ("http://10.0.0.1:2380", "http://10.0.0.2:2380")
    assert alone.cluster_token == "mine"
    several = refusal(initial_cluster="default=http://localhost:2380,other=http://10.0.0.2:2380")
    assert several.kind is errors.SEVERAL_MEMBERS_WANTED
    assert "member add" in several.next_step


def test_the_data_directory_is_named_after_the_member() -> None:
    assert settings(name="infra1").data_directory == Path("infra1.etcd")
    assert settings(name="infra1", data_dir="/var/lib/etcd").data_directory == Path("/var/lib/etcd")


def test_client_urls_are_advertised_as_they_are_listened_on_unless_others_are_given() -> None:
    urls = "http://0.0.0.0:1,http://10.0.0.1:2,unix:///run/etcd.sock,http://[::1]:3"
    found = settings(listen_client_urls=urls)
    assert found.listen_client_urls == (
        Url("http", "0.0.0.0", 1),
        Url("http", "10.0.0.1", 2),
        Url("http", "::1", 3),
        Url("unix", path="/run/etcd.sock"),
    )
    assert found.advertise_client_urls == (
        "http://localhost:1",
        "http://10.0.0.1:2",
        "http://[::1]:3",
        "unix:///run/etcd.sock",
    )
    assert settings(advertise_client_urls="https://etcd.example.com:2379").advertise_client_urls == (
        "https://etcd.example.com:2379",
    )


@pytest.mark.parametrize(
    "mode, retention, expected",
    [
        ("periodic", "0", None),
        ("periodic", "", None),
        ("periodic", "0s", None),
        ("periodic", "1", AutoCompaction(CompactionMode.PERIODIC, 3600)),
        ("periodic", "30m", AutoCompaction(CompactionMode.PERIODIC, 1800)),
        ("revision", "1000", AutoCompaction(CompactionMode.REVISION, 1000)),
        ("revision", "0", None),
    ],
)
def test_history_is_kept_by_hours_durations_or_revisions(
    mode: str, retention: str, expected: AutoCompaction | None
) -> None:
    assert settings(auto_compaction_mode=mode, auto_compaction_retention=retention).auto_compaction == expected


def test_tls_needs_certificates_and_plaintext_ignores_them_aloud() -> None:
    url = "https://127.0.0.1:2379"
    tls = settings(listen_client_urls=url, cert_file="s.crt", key_file="s.key", trusted_ca_file="ca.crt").tls
    assert tls.certificate == Path("s.crt")
    assert tls.requires_client_certificate  # etcd: a trusted authority is enough to require one
    assert settings(listen_client_urls=url, auto_tls="true").tls.make_certificate
    plain = resolved(cert_file="s.crt", key_file="s.key")
    assert any("ignored client key/cert files" in each.message for each in plain.notices)


def test_versions_of_tls_must_leave_one_to_speak() -> None:
    assert settings(tls_min_version="TLS1.3").tls.minimum_version == "TLS1.3"
    assert refusal(tls_min_version="TLS1.3", tls_max_version="TLS1.2").kind is errors.SETTING_INVALID
    suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    assert refusal(tls_min_version="TLS1.3", cipher_suites=suites).kind is errors.SETTING_INVALID


def test_tokens_and_passwords() -> None:
    found = settings(auth_token="jwt,pub-key=a.pem,priv-key=b.pem,sign-method=RS512,ttl=10m", auth_token_ttl="60")
    assert found.auth_token == "jwt"
    assert dict(found.auth_token_options) == {
        "pub-key": "a.pem",
        "priv-key": "b.pem",
        "sign-method": "RS512",
        "ttl": "10m",
    }
    assert found.auth_token_seconds == 60
    odd = resolved(bcrypt_cost="99")
    assert odd.settings.bcrypt_cost == 10
    assert any("bcrypt" in each.message for each in odd.notices)


def test_the_log() -> None:
    log = settings(log_level="warn", log_format="console", log_outputs="stderr,etcd.log").log
    assert (log.level, log.format, log.outputs) == (LogLevel.WARN, LogFormat.CONSOLE, ("stderr", "etcd.log"))
    assert refusal(log_outputs="systemd/journal").kind is errors.SETTING_UNSUPPORTED


def test_flags_and_variables_add_up_and_an_unknown_variable_is_noted() -> None:
    environment = {"ETCD_NAME": "a", "ETCD_DATA_DIR": "", "ETCD_NONSENSE": "1", "HOME": "/", "ETCDCTL_API": "3"}
    given, notices = gather({"snapshot-count": "5"}, environment, lambda _: b"")
    assert given == {"snapshot-count": Given("5", "--snapshot-count"), "name": Given("a", "ETCD_NAME")}
    assert [each.message for each in notices] == [
        "recognized and used environment variable",
        "unrecognized environment variable",
    ]


def test_a_flag_and_a_variable_for_one_setting_are_an_error_as_in_etcd() -> None:
    with pytest.raises(BackstayError) as caught:
        gather({"name": "a"}, {"ETCD_NAME": "b"}, lambda _: b"")
    assert caught.value.kind is errors.SETTING_INVALID


def test_former_names_of_flags_are_taken() -> None:
    given, notices = gather({"experimental-watch-progress-notify-interval": "5s"}, NOTHING, lambda _: b"")
    assert resolve(given).settings.progress_interval_seconds == 5
    assert "watch-progress-notify-interval" in notices[0].message
    with pytest.raises(BackstayError):
        gather({"experimental-max-learners": "1", "max-learners": "1"}, NOTHING, lambda _: b"")


def test_with_a_configuration_file_flags_and_variables_are_ignored() -> None:
    found = from_file("name: filed\nquota-backend-bytes: 7\n", name="flagged", data_dir="elsewhere").settings
    assert found.name == "filed"
    assert found.quota_bytes == 7
    assert found.data_directory == Path("filed.etcd")


def test_the_configuration_file_is_etcds() -> None:
    found = from_file(
        """
name: a
listen-client-urls: https://127.0.0.1:1,https://127.0.0.1:2
watch-progress-notify-interval: 5000000000
log-outputs: [stderr]
pre-vote: true
auto-compaction-retention: "1"
cors: "*"
client-transport-security:
  cert-file: s.crt
  key-file: s.key
  client-cert-auth: true
  trusted-ca-file: ca.crt
  allowed-cn: [alice, bob]
peer-transport-security:
  cert-file: p.crt
socket-options:
  reuse-port: false
"""
    ).settings
    assert [each.port for each in found.listen_client_urls] == [1, 2]
    assert found.progress_interval_seconds == 5
    assert found.tls.certificate == Path("s.crt")
    assert found.tls.allowed_common_names == ("alice", "bob")
    assert found.auto_compaction == AutoCompaction(CompactionMode.PERIODIC, 3600)


def test_a_key_that_etcd_would_skip_silently_is_noted() -> None:
    text = "nonsense: 1\ncert-file: s.crt\nclient-transport-security: {nonsense: 2}\n"
    keys = [each.fields["key"] for each in from_file(text).notices if "unrecognized" in each.message]
    assert keys == ["nonsense", "cert-file", "client-transport-security.nonsense"]


@pytest.mark.parametrize(
    "text",
    [
        "name: 5",
        "snapshot-count: many",
        "snapshot-count: true",
        "pre-vote: 'true'",
        "watch-progress-notify-interval: 10m",
        "log-outputs: stderr",
        "client-transport-security: 5",
        "[1, 2]",
        "a: b: c",
        "\tname: a",
        "name: \x00",
        "name: &a [*a]",
        "[" * 5000,
        "snapshot-count: 99999999999999999999999",
        "? {}",
        "? [1]\n: 2",
    ],
)
def test_a_configuration_file_that_cannot_be_read_is_an_error(text: str) -> None:
    try:
        found = from_file(text)
    except BackstayError as caught:
        assert caught.kind is errors.SETTING_INVALID
        assert "etcd.yaml" in caught.where
    else:
        assert any("unrecognized" in each.message for each in found.notices)
