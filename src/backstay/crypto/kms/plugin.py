"""Calls to a key-management plugin on its Unix socket.

    call("unix:///run/kms.sock", "/v2.KeyManagementService/Decrypt", request) -> response

Requests and responses are protobuf bytes: what they mean is known to the caller.
"""

from __future__ import annotations

import grpc

from backstay import errors

TIMEOUT_SECONDS = 5.0
"""As long as an API server waits by default."""


def call(endpoint: str, method: str, request: bytes, *, timeout_seconds: float = TIMEOUT_SECONDS) -> bytes:
    """The plugin's answer. A connection serves one call: few are made. Raises `KMS_PLUGIN_FAILED`."""
    try:
        with grpc.insecure_channel(endpoint) as channel:
            unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            return unary(request, timeout=timeout_seconds)
    except grpc.RpcError as problem:
        details = getattr(problem, "details", None)  # what a call raises has it, though not by its type
        why = str(details() if callable(details) else problem)
        raise errors.KMS_PLUGIN_FAILED.error(
            "the key-management plugin failed", where=endpoint, why=why
        ) from problem  # fmt: skip
