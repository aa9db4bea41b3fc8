"""etcd's settings, from whichever of its three spellings: flags, `ETCD_*` variables, or the YAML of --config-file.

Pure. The result is one mapping from the flag's name without dashes to its text, however it was written:

    --listen-client-urls=http://127.0.0.1:2379        {"listen-client-urls": "http://127.0.0.1:2379"}
    ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379
    listen-client-urls: http://127.0.0.1:2379
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from backstay.etcd.discovery.host_files import HostFiles

VARIABLE_PREFIX = "ETCD_"
DEFAULT_CLIENT_URL = "http://127.0.0.1:2379"
DEFAULT_NAME = "default"

PATHS = (
    "data-dir",
    "wal-dir",
    "config-file",
    "cert-file",
    "key-file",
    "trusted-ca-file",
    "peer-cert-file",
    "peer-key-file",
    "peer-trusted-ca-file",
)
"""The flags that name files or directories of etcd."""

# libyaml's parser: it refuses deep nesting at once, on which the one in Python spends minutes. All wheels have it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TRANSPORTS = {"client-transport-security": "", "peer-transport-security": "peer-"}
_EVERYWHERE = ("0.0.0.0", "::", "")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def paths(files: HostFiles, settings: Mapping[str, str]) -> dict[str, Path]:
    """The path flags among `settings`, which hold the host's own paths, as paths of this process."""
    return {name: files.path(settings[name]) for name in PATHS if settings.get(name)}


def of_words(words: Sequence[str]) -> dict[str, str]:
    """The flags among the words of a command line; a flag without a value is `true`."""
    flags: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-") or word in ("-", "--"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and position < len(words) and not words[position].startswith("-"):
            value, equals = words[position], "="
            position += 1
        flags[name] = value if equals else "true"
    return flags


def of_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The flags that `ETCD_*` variables stand for."""
    return {
        name.removeprefix(VARIABLE_PREFIX).lower().replace("_", "-"): value
        for name, value in variables.items()
        if name.startswith(VARIABLE_PREFIX) and value
    }


def of_yaml(text: str) -> dict[str, str]:
    """The flags in a file for --config-file. Raises `ValueError` when it is none."""
    settings = load_yaml(text)
    if not isinstance(settings, Mapping):
        raise ValueError("it holds no settings")
    flags: dict[str, str] = {}
    for name, value in settings.items():
        prefix = _TRANSPORTS.get(str(name))
        if prefix is not None and isinstance(value, Mapping):
            flags.update({f"{prefix}{inner}": _text(each) for inner, each in value.items() if each is not None})
        elif isinstance(value, str | int | float):
            flags[str(name)] = _text(value)
    return flags


def load_yaml(text: str) -> object:
    """The first document of `text`. Raises `ValueError` with the place of the fault."""
    try:
        value: object = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as problem:
        raise ValueError(" ".join(str(problem).split())) from problem
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def client_urls(flags: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses of a member, the best for its own host first.

    An address that etcd listens on explicitly beats the advertised one, which a firewall may block; where it listens on
    every address, the advertised one comes first, because its certificate need not name the loopback.
    """
    listening = _urls(flags.get("listen-client-urls", "")) or [DEFAULT_CLIENT_URL]
    advertised = [url for url in _urls(flags.get("advertise-client-urls", "")) if _host(url) not in _EVERYWHERE]
    sockets = [url for url in listening if url.startswith("unix")]
    everywhere = [url for url in listening if url not in sockets and _host(url) in _EVERYWHERE]
    explicit = [url for url in listening if url not in sockets and url not in everywhere]
    loopback = [url for url in explicit if _host(url) in _LOOPBACK]
    others = [url for url in explicit if url not in loopback]
    own = [_on_loopback(url) for url in everywhere]
    return tuple(dict.fromkeys([*loopback, *others, *advertised, *own, *sockets]))


def _urls(text: str) -> list[str]:
    return [url.rstrip("/") for part in text.split(",") if (url := part.strip())]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _on_loopback(url: str) -> str:
    scheme, _, rest = url.partition("://")
    _, colon, port = rest.rpartition(":")
    return f"{scheme}://127.0.0.1:{port}" if colon and port.isdigit() else f"{scheme}://127.0.0.1:2379"


def hosts_of_cluster(flags: Mapping[str, str]) -> frozenset[str]:
    """The hosts of all members that the flags name: addresses for which the same credentials serve."""
    peers = [part.partition("=")[2] for part in flags.get("initial-cluster", "").split(",")]
    return frozenset(host for url in [*peers, *client_urls(flags)] if (host := _host(url)))
