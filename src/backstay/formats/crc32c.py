"""CRC-32C (Castagnoli, reflected 0x82F63B78, init and final xor 0xFFFFFFFF), the checksum of everything in etcd.

A CRC can be continued: `extend(extend(0, a), b) == extend(0, a + b)`.

    "123456789" -> e3069283        "key" -> 1084519789 (the HashKV of an empty store)
"""

from __future__ import annotations

import google_crc32c


def extend(checksum: int, data: bytes) -> int:
    """The CRC-32C of what gave `checksum` followed by `data`.

    Only `bytes`: the C extension refuses memory views, and slicing a mapped file gives bytes anyway.
    """
    return int(google_crc32c.extend(checksum, data))


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    return extend(0, data)
