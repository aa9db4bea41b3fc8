"""etcd's configuration file: YAML or JSON whose keys are the names of flags, with three nested tables.

    name: infra1
    listen-client-urls: https://10.0.0.1:2379
    quota-backend-bytes: 4294967296
    watch-progress-notify-interval: 600000000000     # durations are nanoseconds here
    client-transport-security:
      cert-file: server.crt
      client-cert-auth: true

Values must have the type that etcd wants: it stops at a number where a text belongs, and so do we. A key that etcd would
skip without a word is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from backstay import errors
from backstay.server.settings.flags import Kind
from backstay.server.settings.given import Given, Notice
from backstay.server.settings.table import FLAGS, RENAMED

_SECURITY_KEYS = {
    "cert-file": "cert-file",
    "key-file": "key-file",
    "client-cert-file": "client-cert-file",
    "client-key-file": "client-key-file",
    "client-cert-auth": "client-cert-auth",
    "trusted-ca-file": "trusted-ca-file",
    "auto-tls": "auto-tls",
    "allowed-cn": "cert-allowed-cn",
    "allowed-hostname": "cert-allowed-hostname",
    "skip-client-san-verification": "skip-client-san-verification",
}
_TABLES: dict[str, dict[str, str]] = {
    "client-transport-security": {
        key: f"client-{name}" if name.startswith("cert-allowed") else name
        for key, name in _SECURITY_KEYS.items()
        if not name.startswith("skip")
    },
    "peer-transport-security": {key: f"peer-{name}" for key, name in _SECURITY_KEYS.items()},
    "socket-options": {"reuse-port": "socket-reuse-port", "reuse-address": "socket-reuse-address"},
}
_LISTS = ("cipher-suites", "log-outputs", "client-cert-allowed-cn", "client-cert-allowed-hostname")
"""Lists in the file; other words and URLs are one text with commas."""
_OUTSIDE = frozenset(name for table in _TABLES.values() for name in table.values())
"""Flags whose keys stand in a nested table: etcd overlooks them at the top."""


def read_settings(content: bytes, path: str) -> tuple[dict[str, Given], list[Notice]]:
    """The settings of a file, as texts in the syntax of flags. Raises `SETTING_INVALID`."""
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise errors.SETTING_INVALID.error(
            f"`{path}` is not YAML", where=path, why=" ".join(str(problem).split()) or type(problem).__name__
        ) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise errors.SETTING_INVALID.error(f"`{path}` is not a table of settings", where=path)
    found: dict[str, Given] = {}
    notices: list[Notice] = []
    for key, name, value in _entries(document, path, notices):
        origin = f"{path}, {key}"
        if (text := _text(name, value, origin)) is not None:
            found[name] = Given(text, origin)
    return found, notices


def _entries(document: Mapping[Any, Any], path: str, notices: list[Notice]) -> Iterator[tuple[str, str, Any]]:
    """(key as written, flag, value) of everything that is a setting."""
    for key, value in document.items():
        table = _TABLES.get(key) if isinstance(key, str) else None
        if table is not None and value is not None:
            if not isinstance(value, dict):
                raise errors.SETTING_INVALID.error(f"`{key}` is not a table", where=f"{path}, {key}")
            for inner, each in value.items():
                if inner in table:
                    yield f"{key}.{inner}", table[inner], each
                else:
                    notices.append(_overlooked(path, f"{key}.{inner}"))
        elif key == "discovery-config":
            raise errors.SETTING_UNSUPPORTED.error(
                "discovery services are not supported",
                where=f"{path}, {key}",
                next_step=FLAGS["discovery-endpoints"].remark,
            )
        elif (name := RENAMED.get(key, key)) in FLAGS and name not in _OUTSIDE:
            yield key, name, value
        elif table is None:
            notices.append(_overlooked(path, key))


def _overlooked(path: str, key: Any) -> Notice:
    return Notice("unrecognized key in the configuration file", fields={"path": path, "key": str(key)})


def _text(name: str, value: Any, origin: str) -> str | None:
    """`value` as it would be written on the command line; None where the file says nothing."""
    kind = FLAGS[name].kind if name in FLAGS else Kind.WORDS
    wanted: str
    if value is None:
        return None
    if name in _LISTS:
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return ",".join(value)
        wanted = "a list of texts"
    elif kind is Kind.SWITCH:
        if isinstance(value, bool):
            return "true" if value else "false"
        wanted = "true or false"
    elif kind in (Kind.NUMBER, Kind.SIGNED, Kind.DURATION):
        if isinstance(value, int) and not isinstance(value, bool):
            return f"{value}ns" if kind is Kind.DURATION else str(value)
        wanted = "a whole number of nanoseconds" if kind is Kind.DURATION else "a whole number"
    else:
        if isinstance(value, str):
            return value
        wanted = "a text (put it into quotes)"
    raise errors.SETTING_INVALID.error(
        f"`{name}` is {type(value).__name__} {value!r}"[:200], where=origin, why=f"it must be {wanted}"
    )
