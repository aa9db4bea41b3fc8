"""The two protocols of key-management plugins, as far as unwrapping goes.

v2   /v2.KeyManagementService/Decrypt        {1 ciphertext, 2 uid, 3 key_id, 4 annotations} -> {1 plaintext}
v1   /v1beta1.KeyManagementService/Decrypt   {1 version, 2 cipher}                          -> {1 plain}
"""

from __future__ import annotations

from backstay import errors
from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.kube.encryption.kms import Unwrap, Wrapped

_METHODS = {"v1": "/v1beta1.KeyManagementService/Decrypt", "v2": "/v2.KeyManagementService/Decrypt"}
_V1 = b"v1beta1"
_REQUEST_NAME = b"backstay"


def plugin_at(endpoint: str, version: str) -> Unwrap:
    """What asks the plugin at `endpoint` (`unix:///run/kms.sock`); nothing is connected before the first question."""

    def unwrap(wrapped: Wrapped) -> bytes:
        from backstay.crypto.kms.plugin import call  # gRPC is loaded only by those who need it

        return _plain(call(endpoint, _METHODS[version], _request(wrapped, version)), endpoint)

    return unwrap


def _request(wrapped: Wrapped, version: str) -> bytes:
    if version == "v1":
        return protowire.bytes_field(1, _V1) + protowire.bytes_field(2, wrapped.source)
    parts = [
        protowire.bytes_field(1, wrapped.source),
        protowire.bytes_field(2, _REQUEST_NAME),
        protowire.optional_bytes(3, wrapped.key_id.encode()),
    ]
    for name, value in wrapped.annotations:
        parts.append(
            protowire.bytes_field(4, protowire.bytes_field(1, name.encode()) + protowire.bytes_field(2, value))
        )
    return b"".join(parts)


def _plain(response: bytes, endpoint: str) -> bytes:
    try:
        for number, _, content in protowire.read_fields(response):
            if number == 1 and isinstance(content, bytes):
                return content
    except FormatError as problem:
        raise errors.KMS_PLUGIN_FAILED.error(
            "the key-management plugin's answer is malformed", where=endpoint
        ) from problem
    return b""
