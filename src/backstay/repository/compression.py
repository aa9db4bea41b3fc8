"""zstd, bounded: what comes out of `unpack` is never larger than what the caller allows."""

from __future__ import annotations

import sys

from backstay.crypto.sealing import damaged

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 3
LARGEST_CONTENT = 64 << 20
"""Bytes of one frame, unpacked."""


def pack(content: bytes, level: int = LEVEL) -> bytes:
    """One zstd frame that says its size."""
    return zstd.compress(content, level)


def unpack(packed: bytes, where: str, *, largest: int = LARGEST_CONTENT) -> bytes:
    """What is in one zstd frame. Raises `OBJECT_DAMAGED` for anything else, and for more than `largest` bytes."""
    decompressor = zstd.ZstdDecompressor()
    try:
        content = decompressor.decompress(packed, largest + 1)
    except zstd.ZstdError as problem:
        raise damaged(where, f"its content does not unpack ({problem})") from problem
    if not decompressor.eof or decompressor.unused_data or len(content) > largest:
        raise damaged(where, "its content is cut short, too large, or followed by something")
    return content
