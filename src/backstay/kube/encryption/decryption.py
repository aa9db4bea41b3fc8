"""Opening an encrypted value as the API server does: the providers of its resource, in order, that know its prefix.

    exact name  ->  *.<group> (`*.` for core)  ->  *.*  ->  nothing

A provider that knows the prefix and fails is not the end: the next one is tried, which is how two providers of one kind
work. An unencrypted value needs no provider; whether it should be encrypted is a question for an audit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from backstay.kube.values import Problem

_LABEL = re.compile(rb"k8s:enc:[^:]{1,64}:[^:]{1,16}:[^:]{0,1024}")
IDENTITY = "identity"


class Provider(Protocol):
    """What opens values that begin with `prefix`; `names` are what those that it writes begin with, newest first."""

    prefix: bytes

    @property
    def names(self) -> tuple[str, ...]: ...

    def open(self, etcd_key: bytes, value: bytes) -> bytes | Problem | None:
        """The plain value, why it stays closed, or None when it is another's."""
        ...


class Identity:
    """The provider that stores values as they are."""

    prefix = b""
    names: tuple[str, ...] = (IDENTITY,)

    def open(self, etcd_key: bytes, value: bytes) -> None:
        """Nothing: what is encrypted is another's."""
        return


class Decryption:
    """The providers of each resource, as an EncryptionConfiguration gives them."""

    def __init__(self, providers: Mapping[str, Sequence[Provider]]) -> None:
        self._providers = {name: tuple(each) for name, each in providers.items()}

    def providers(self, group_resource: str) -> tuple[Provider, ...]:
        """Those of a resource such as `secrets` or `deployments.apps`, the one that writes first; none: stored plain."""
        group = group_resource.partition(".")[2]
        for name in (group_resource, f"*.{group}", "*.*"):
            if name in self._providers:
                return self._providers[name]
        return ()

    def open(self, etcd_key: bytes, group_resource: str, value: bytes) -> bytes | Problem:
        """The plain value of one that begins with `k8s:enc:`, or why it stays closed."""
        problem: Problem | None = None
        for provider in self.providers(group_resource):
            if not provider.prefix or not value.startswith(provider.prefix):
                continue
            opened = provider.open(etcd_key, value)
            if isinstance(opened, bytes):
                return opened
            problem = opened or problem
        return problem or Problem("key-missing", f"no provider for {group_resource} knows {label_of(value)}")


def label_of(value: bytes) -> str:
    """Provider and key that an encrypted value names: `k8s:enc:aescbc:v1:key1`; empty for one that is not encrypted."""
    found = _LABEL.match(value)
    if found is not None:
        return found[0].decode("utf-8", "backslashreplace")
    return "k8s:enc:" if value.startswith(b"k8s:enc:") else ""
