"""From texts to `ServerSettings`: every text read, every standing obeyed, every contradiction named. Pure.

Where etcd only warns, a notice says it in etcd's words. Two things are easier here: client URLs that are listened on are
advertised unless others are given (etcd insists on being told), and port 0 is any free port.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from backstay import errors
from backstay.server.settings import words
from backstay.server.settings.flags import Flag, Kind, Standing
from backstay.server.settings.given import Given, Notice
from backstay.server.settings.server_settings import (
    DEFAULT_CLIENT_URL,
    HOUR,
    UNLIMITED_STREAMS,
    AutoCompaction,
    CompactionMode,
    KeepaliveSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    ServerSettings,
    TlsSettings,
)
from backstay.server.settings.table import FEATURE_GATES, FLAGS
from backstay.server.settings.texts import Texts
from backstay.server.settings.words import Url

_LONGEST_ELECTION = 50_000
_HEARTBEATS_PER_ELECTION = 5
_BCRYPT_COSTS = range(4, 32)
_MOST_STREAMS = UNLIMITED_STREAMS
_EVERYWHERE = ("0.0.0.0", "::", "")
_MISSING_FOR_METRICS = "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url"
_ONLY_IN_FILES = "client-cert-allowed-cn"
"""A setting that etcd has in its configuration file and not among its flags."""


class Resolved(NamedTuple):
    """Settings, and what the log should say about them."""

    settings: ServerSettings
    notices: tuple[Notice, ...]


def resolve(given: Mapping[str, Given]) -> Resolved:
    """The settings of one server. Raises `SETTING_INVALID`, `SETTING_UNSUPPORTED`, `SEVERAL_MEMBERS_WANTED`."""
    texts, notices = Texts(given), list[Notice]()
    for name in given:
        if name in FLAGS:
            _obey_standing(FLAGS[name], texts, notices)
        elif name != _ONLY_IN_FILES:
            raise errors.SETTING_INVALID.error(f"`{name}` is no setting of etcd", where=texts.origin(name))
    _check_times(texts)
    _check_gates(texts)
    name = texts.text("name")
    peers = texts.urls("initial-advertise-peer-urls")
    _check_cluster(texts, name, peers)
    listening = texts.listening("listen-client-urls")
    http, metrics = texts.listening("listen-client-http-urls"), texts.listening("listen-metrics-urls")
    tls = _tls(texts, given, (*listening, *http), metrics, notices)
    settings = ServerSettings(
        data_directory=Path((texts.text("data-dir") if texts.has("data-dir") else "") or f"{name}.etcd"),
        name=name,
        listen_client_urls=listening,
        listen_client_http_urls=http,
        listen_metrics_urls=metrics,
        advertise_client_urls=_advertised(texts, listening),
        peer_urls=tuple(each.text for each in peers),
        cluster_token=texts.text("initial-cluster-token"),
        joins_existing=texts.text("initial-cluster-state") == "existing",
        tls=tls,
        snapshot_count=texts.number("snapshot-count") or int(FLAGS["snapshot-count"].default),
        quota_bytes=texts.number("quota-backend-bytes"),
        max_operations=texts.number("max-txn-ops"),
        max_request_bytes=texts.number("max-request-bytes"),
        max_concurrent_streams=_streams(texts),
        keepalive=KeepaliveSettings(
            texts.seconds("grpc-keepalive-min-time"),
            texts.seconds("grpc-keepalive-interval"),
            texts.seconds("grpc-keepalive-timeout"),
        ),
        auto_compaction=_auto_compaction(texts),
        **_auth(texts, notices),
        extensive_metrics=texts.text("metrics") == "extensive",
        serves_gateway=texts.switch("enable-grpc-gateway"),
        cors_origins=texts.words("cors") or ("*",),
        host_names=texts.words("host-whitelist") or ("*",),
        log=LogSettings(
            LogLevel(texts.text("log-level")),
            LogFormat(texts.text("log-format")),
            _log_outputs(texts),
        ),
        election_timeout_seconds=texts.number("election-timeout") / 1000,
        progress_interval_seconds=texts.seconds("watch-progress-notify-interval"),
        slow_call_seconds=texts.seconds("warning-unary-request-duration"),
        waits_for_disk=not texts.switch("unsafe-no-fsync"),
    )
    return Resolved(settings, tuple(notices))


def _obey_standing(flag: Flag, texts: Texts, notices: list[Notice]) -> None:
    """Read what no setting comes of; refuse what is not supported."""
    name, text = flag.name, texts.text(flag.name)
    if flag.choices and text not in flag.choices:
        raise texts.invalid(name, f"{text!r} is none of {', '.join(each or 'the empty text' for each in flag.choices)}")
    value: object = text
    if flag.kind is Kind.SWITCH:
        value = texts.switch(name)
    elif flag.kind in (Kind.NUMBER, Kind.SIGNED):
        value = texts.number(name) if name != "max-concurrent-streams" else value
    elif flag.kind is Kind.DURATION:
        value = texts.seconds(name)
    elif flag.kind is Kind.URLS:
        texts.urls(name)
    default = value == words.switch(flag.default) if flag.kind is Kind.SWITCH else text == flag.default
    if default or flag.standing is Standing.SUPPORTED:
        return
    if flag.standing is Standing.REFUSED:
        raise errors.SETTING_UNSUPPORTED.error(
            f"`--{name}={text}` is not supported", where=texts.origin(name), why=flag.meaning, next_step=flag.remark
        )
    if flag.etcd_says:
        notices.append(Notice(flag.etcd_says, warns=False))
    fields = {"flag": name, name: value, "reason": flag.remark}
    notices.append(Notice("the setting has no effect here", warns=False, fields=fields))


def _check_times(texts: Texts) -> None:
    heartbeat, election = texts.number("heartbeat-interval"), texts.number("election-timeout")
    for name, value in (("heartbeat-interval", heartbeat), ("election-timeout", election)):
        if not value:
            raise texts.invalid(name, "it must be more than 0")
    if _HEARTBEATS_PER_ELECTION * heartbeat > election:
        raise texts.invalid(
            "election-timeout", f"{election} ms is less than 5 times the heartbeat interval of {heartbeat} ms"
        )
    if election > _LONGEST_ELECTION:
        raise texts.invalid("election-timeout", f"{election} ms is more than {_LONGEST_ELECTION} ms")


def _check_cluster(texts: Texts, name: str, peers: tuple[Url, ...]) -> None:
    """The initial cluster must be this member alone, with the peer URLs that it advertises."""
    if not texts.has("initial-cluster") or not texts.text("initial-cluster"):
        return
    members: dict[str, set[Url]] = {}
    for part in texts.text("initial-cluster").split(","):
        member, equals, text = part.strip().partition("=")
        if not equals or not member:
            raise texts.invalid("initial-cluster", f"{part.strip()!r} is not of the form NAME=PEER-URL")
        try:
            members.setdefault(member, set()).add(words.url(text))
        except ValueError as problem:
            raise texts.invalid("initial-cluster", str(problem)) from None
    if len(members) > 1:
        raise errors.SEVERAL_MEMBERS_WANTED.error(
            f"the initial cluster has {len(members)} members: {', '.join(members)}",
            where=texts.origin("initial-cluster"),
            why="the embedded store is always the only member",
        )
    if name not in members:
        raise texts.invalid(
            "initial-cluster",
            f"it does not name this member, {name!r}",
            f"write --initial-cluster={name}={','.join(each.text for each in peers)}, or leave it out",
        )
    if members[name] != set(peers):
        raise texts.invalid(
            "initial-cluster",
            f"its URLs of {name!r} are not those of --initial-advertise-peer-urls, "
            f"{','.join(each.text for each in peers)}",
            "make both say the same",
        )


def _advertised(texts: Texts, listening: tuple[Url, ...]) -> tuple[str, ...]:
    if texts.has("advertise-client-urls"):
        return tuple(each.text for each in texts.urls("advertise-client-urls"))
    if not texts.has("listen-client-urls"):
        return (DEFAULT_CLIENT_URL.text,)
    # An address that stands for all interfaces leads nobody anywhere but on this host.
    return tuple(
        (each._replace(host="localhost") if not each.path and each.host in _EVERYWHERE else each).text
        for each in listening
    )


def _tls(
    texts: Texts, given: Mapping[str, Given], urls: tuple[Url, ...], metrics: tuple[Url, ...], notices: list[Notice]
) -> TlsSettings:
    tls = TlsSettings(
        certificate=texts.path("cert-file"),
        key=texts.path("key-file"),
        trusted_authority=texts.path("trusted-ca-file"),
        requires_client_certificate=texts.switch("client-cert-auth") or texts.path("trusted-ca-file") is not None,
        allowed_common_names=words.words(given[_ONLY_IN_FILES].text) if _ONLY_IN_FILES in given else (),
        allowed_hostnames=texts.words("client-cert-allowed-hostname"),
        revoked=texts.path("client-crl-file"),
        make_certificate=texts.switch("auto-tls"),
        validity_years=texts.number("self-signed-cert-validity"),
        minimum_version=texts.text("tls-min-version"),
        maximum_version=texts.text("tls-max-version"),
        cipher_suites=texts.words("cipher-suites"),
    )
    if tls.maximum_version and tls.minimum_version > tls.maximum_version:
        raise texts.invalid("tls-min-version", f"it is newer than --tls-max-version, {tls.maximum_version}")
    if tls.cipher_suites and tls.minimum_version == "TLS1.3":
        raise texts.invalid("cipher-suites", "TLS 1.3 has suites of its own, which cannot be chosen")
    if (tls.certificate is None) != (tls.key is None):
        missing, there = ("key-file", "cert-file") if tls.key is None else ("cert-file", "key-file")
        raise texts.invalid(there, f"--{missing} is missing", "give both, or neither")
    if tls.allowed_common_names and tls.allowed_hostnames:
        raise texts.invalid("client-cert-allowed-hostname", "allowed common names are given too", "give one of the two")
    for url in (*urls, *metrics):
        if url.secure and tls.certificate is None and not tls.make_certificate:
            raise texts.invalid(
                "listen-metrics-urls" if url in metrics else "listen-client-urls",
                _MISSING_FOR_METRICS if url in metrics else f"{url.text} needs a certificate",
                "give --cert-file and --key-file (`backstay pki` makes them), or --auto-tls",
            )
        if not url.secure and tls.certificate is not None:
            said = "The scheme of client URL is HTTP while client key/cert files are presented; ignored client key/cert files"
            notices.append(Notice(said, fields={"client-url": url.text}))
        elif not url.secure and tls.requires_client_certificate:
            said = "The scheme of client URL is HTTP while --client-cert-auth is enabled; ignored client cert auth"
            notices.append(Notice(said, fields={"client-url": url.text}))
    return tls


def _streams(texts: Texts) -> int:
    if not texts.has("max-concurrent-streams") or texts.text("max-concurrent-streams") == "math.MaxUint32":
        return UNLIMITED_STREAMS
    found = texts.number("max-concurrent-streams")
    if found > _MOST_STREAMS:
        raise texts.invalid("max-concurrent-streams", f"it is more than {_MOST_STREAMS}")
    return found


def _auto_compaction(texts: Texts) -> AutoCompaction | None:
    text = texts.text("auto-compaction-mode")
    try:
        mode = CompactionMode(text)
    except ValueError:
        raise texts.invalid("auto-compaction-mode", f"{text!r} is neither periodic nor revision") from None
    name = "auto-compaction-retention"
    retention = texts.text(name) or "0"
    try:
        kept: float
        if mode is CompactionMode.REVISION:
            kept = words.number(retention)
        else:  # a bare number is hours
            kept = int(retention) * HOUR if retention.isdecimal() else words.duration(retention)
    except ValueError as problem:
        wanted = "revisions" if mode is CompactionMode.REVISION else "hours, or a duration such as 30m"
        raise texts.invalid(name, str(problem), f"write a number of {wanted}") from None
    return AutoCompaction(mode, kept) if kept else None


def _auth(texts: Texts, notices: list[Notice]) -> dict[str, Any]:
    kind, *parts = texts.text("auth-token").split(",")
    if kind not in ("simple", "jwt", ""):
        raise texts.invalid("auth-token", f"{kind!r} is neither simple nor jwt")
    options = {}
    for part in parts if kind == "jwt" else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise texts.invalid("auth-token", f"{part!r} is not of the form OPTION=VALUE")
        if key in options:
            raise texts.invalid("auth-token", f"{key!r} is given twice")
        options[key] = value
    if kind == "jwt" and not options.get("sign-method"):
        raise texts.invalid("auth-token", "jwt needs sign-method, and pub-key or priv-key")
    cost = texts.number("bcrypt-cost")
    if cost not in _BCRYPT_COSTS:
        default = int(FLAGS["bcrypt-cost"].default)
        fields = {"min-cost": 4, "max-cost": 31, "default-cost": default, "given-cost": cost}
        notices.append(Notice("use default bcrypt cost instead of the invalid given cost", fields=fields))
        cost = default
    return {
        "auth_token": kind or "simple",
        "auth_token_options": MappingProxyType(options),
        "auth_token_seconds": texts.number("auth-token-ttl") or int(FLAGS["auth-token-ttl"].default),
        "bcrypt_cost": cost,
    }


def _log_outputs(texts: Texts) -> tuple[str, ...]:
    outputs = texts.words("log-outputs") or ("default",)
    if "systemd/journal" in outputs:
        raise errors.SETTING_UNSUPPORTED.error(
            "`--log-outputs=systemd/journal` is not supported",
            where=texts.origin("log-outputs"),
            next_step="leave it out: systemd takes what a unit writes to stderr into its journal",
        )
    if "default" in outputs and len(outputs) > 1:
        raise texts.invalid("log-outputs", "`default` does not go with others")
    return outputs


def _check_gates(texts: Texts) -> None:
    gates: dict[str, bool] = {}
    for part in texts.words("feature-gates"):
        name, _, value = part.partition("=")
        if name not in FEATURE_GATES:
            raise texts.invalid("feature-gates", f"unrecognized feature gate: {name}", "leave it out")
        try:
            gates[name] = words.switch(value)
        except ValueError:
            raise texts.invalid("feature-gates", f"{part!r} is not of the form {name}=true") from None
    if gates.get("LeaseCheckpointPersist") and not gates.get("LeaseCheckpoint"):
        raise texts.invalid("feature-gates", "LeaseCheckpointPersist needs LeaseCheckpoint")
