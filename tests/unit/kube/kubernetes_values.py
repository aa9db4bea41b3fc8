"""Stored values made by hand, for tests of what reads them."""

from __future__ import annotations

from backstay.formats import protowire


def envelope(api_version: str, kind: str, message: bytes) -> bytes:
    """A protobuf value as an API server stores it."""
    meta = protowire.bytes_field(1, api_version.encode()) + protowire.bytes_field(2, kind.encode())
    body = protowire.bytes_field(1, meta) + protowire.bytes_field(2, message)
    return b"k8s\x00" + body + protowire.bytes_field(3, b"") + protowire.bytes_field(4, b"")


def metadata(name: str, namespace: str = "") -> bytes:
    """Field 1 of an object: its metadata."""
    inner = protowire.bytes_field(1, name.encode()) + protowire.bytes_field(3, namespace.encode())
    return protowire.bytes_field(1, inner)


def pod(name: str = "web", namespace: str = "default", spec: bytes = b"") -> bytes:
    """A stored Pod."""
    return envelope("v1", "Pod", metadata(name, namespace) + protowire.bytes_field(2, spec))
