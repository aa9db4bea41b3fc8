"""Bytes of HTTP/2 by hand, for clients that no library would be: frames, and fields of header blocks."""

from __future__ import annotations

from backstay.server.http2_guard import _codes

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def headers(stream: int, block: bytes, *, end_stream: bool = False) -> bytes:
    """A header block in one frame."""
    return frame(1, 4 | int(end_stream), stream, block)


def literal(index: int, value: bytes, *, is_coded: bool = False, remembered: bool = True) -> bytes:
    """A field whose name has a number."""
    mask, pattern = (0x3F, 0x40) if remembered else (0x0F, 0)
    return _integer(index, mask, pattern) + _string(value, is_coded)


def named(name: bytes, value: bytes, *, is_coded: bool = False) -> bytes:
    """A field whose name is written out; `is_coded` says that the name is."""
    return b"\x40" + _string(name, is_coded) + _string(value, False)


def coded(value: bytes) -> bytes:
    """Bytes in HPACK's Huffman code."""
    by_symbol = {symbol: code for code, symbol in _codes().items()}
    bits = "".join(format(code, f"0{length}b") for length, code in (by_symbol[byte] for byte in value))
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8) if bits else b""


def call(path: bytes) -> bytes:
    """The fields of a gRPC call."""
    return b"".join(
        (
            b"\x83\x86",
            literal(4, path),
            literal(1, b"127.0.0.1"),
            literal(31, b"application/grpc", remembered=False),
            named(b"te", b"trailers"),
        )
    )


def _string(value: bytes, is_coded: bool) -> bytes:
    return _integer(len(value), 0x7F, 0x80 if is_coded else 0) + value


def _integer(value: int, mask: int, pattern: int) -> bytes:
    if value < mask:
        return bytes([pattern | value])
    found = bytearray([pattern | mask])
    value -= mask
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
