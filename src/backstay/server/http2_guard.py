"""What of HTTP/2 must not reach grpcio: a path that is no UTF-8. Its event loop server ends, for everybody, at the first one.

A frame                 A field of a header block (RFC 7541, section 6)
00 00 04  length        1xxxxxxx        name and value by number
01        HEADERS       01xxxxxx ...    literal, remembered       name by number, or 0 and the name follows; then the value
04        END_HEADERS   001xxxxx        size of the table
00 00 00 01  stream     000?xxxx ...    literal, not remembered

83 86 44 8c 60 ...      :method POST, :scheme http, :path in twelve Huffman-coded bytes, ...

Only literals are looked at: a value that is named by its number was a literal once. A literal whose name is a number of the
table that the client filled could be a path too, and is held to the same rule. Nothing else is checked; what is wrong
otherwise is grpcio's to refuse. Who debugs can listen for `:authority`, the name by which a client believes to have called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

PREFACE_BYTES = 24
FRAME_HEAD_BYTES = 9
BLOCK_LIMIT_BYTES = 256 << 10
"""Twice what grpcio takes."""

_HEADERS, _CONTINUATION = 1, 9
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_PRIORITY_BYTES = 5

_STATIC_AUTHORITY = 1
_STATIC_PATHS = (4, 5)
_STATIC_NAMES = 61
_PATH = b":path"
_CODED_PATH = b"\xb9\x58\xd3\x3f"
_LONGEST_INTEGER = 5

# RFC 7541, appendix B: how long the code of each byte is, and last that of the end. The codes themselves follow from it.
_CODE_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b08060606"
    "0505050606060606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817"
    "181816171817171717151617161717181615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a17"
    "1a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)


class Http2Guard:
    """Reads along with one client's bytes. `heard` is told every `:authority` that is written out."""

    def __init__(self, heard: Callable[[str], None] | None = None) -> None:
        self._heard = heard
        self._skip = PREFACE_BYTES
        self._rest = b""
        self._block: list[bytes] = []
        self._block_bytes = 0

    def admits(self, data: bytes) -> bool:
        """Whether these bytes, the next of the connection, may go on to grpcio. False once is false for good."""
        if self._skip >= len(data):
            self._skip -= len(data)
            return True
        data, at = self._rest + data, self._skip
        while len(data) - at >= FRAME_HEAD_BYTES:
            length = int.from_bytes(data[at : at + 3])
            kind, flags = data[at + 3], data[at + 4]
            start = at + FRAME_HEAD_BYTES
            if kind not in (_HEADERS, _CONTINUATION):
                at = start + length
                continue
            if self._block_bytes + FRAME_HEAD_BYTES + length > BLOCK_LIMIT_BYTES:
                return False
            if len(data) - start < length:
                break
            at = start + length
            fragment = _fragment(data[start:at], flags) if kind == _HEADERS else data[start:at]
            if fragment is None:
                return False
            self._block.append(fragment)
            self._block_bytes += FRAME_HEAD_BYTES + length  # an empty frame takes room too
            if flags & _END_HEADERS:
                block, self._block, self._block_bytes = b"".join(self._block), [], 0
                if not is_clean(block, self._heard):
                    return False
        self._skip = max(0, at - len(data))
        self._rest = data[at:]
        return True


def is_clean(block: bytes, heard: Callable[[str], None] | None = None) -> bool:
    """Whether a header block can be read, and no value that may be a path is anything but UTF-8."""
    at, end = 0, len(block)
    try:
        while at < end:
            byte = block[at]
            if byte & 0x80:
                _, at = _integer(block, at, 0x7F)
                continue
            if byte & 0xE0 == 0x20:
                _, at = _integer(block, at, 0x1F)
                continue
            index, at = _integer(block, at, 0x3F if byte & 0x40 else 0x0F)
            may_be_path = index in _STATIC_PATHS or index > _STATIC_NAMES
            if not index:
                is_coded, name, at = _string(block, at)
                may_be_path = name == (_CODED_PATH if is_coded else _PATH)
            is_coded, value, at = _string(block, at)
            if heard is not None and index == _STATIC_AUTHORITY:
                text = _decoded(value) if is_coded else value
                heard((text or b"").decode(errors="replace"))
            if may_be_path and not _is_text(value, is_coded):
                return False
    except (IndexError, ValueError):
        return False
    return True


def _fragment(payload: bytes, flags: int) -> bytes | None:
    start = (1 if flags & _PADDED else 0) + (_PRIORITY_BYTES if flags & _PRIORITY else 0)
    end = len(payload)
    if flags & _PADDED:
        if not payload:
            return None
        end -= payload[0]
    return payload[start:end] if start <= end else None


def _integer(block: bytes, at: int, mask: int) -> tuple[int, int]:
    value = block[at] & mask
    at += 1
    if value < mask:
        return value, at
    for place in range(_LONGEST_INTEGER):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, at
    raise ValueError


def _string(block: bytes, at: int) -> tuple[bool, bytes, int]:
    is_coded = bool(block[at] & 0x80)
    length, at = _integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise ValueError
    return is_coded, block[at:end], end


def _is_text(value: bytes, is_coded: bool) -> bool:
    if is_coded:
        if b"\xff" not in value:
            return True  # the code of every byte that is not ASCII begins with fifteen ones, and so spans a whole byte of them
        decoded = _decoded(value)
        if decoded is None:
            return False
        value = decoded
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(value: bytes) -> bytes | None:
    """The bytes behind a Huffman code; None when it is none."""
    codes = _codes()
    found = bytearray()
    code, length = 0, 0
    for byte in value:
        for shift in range(7, -1, -1):
            code, length = code << 1 | byte >> shift & 1, length + 1
            symbol = codes.get((length, code))
            if symbol is None:
                if length > 30:
                    return None
                continue
            if symbol == len(_CODE_LENGTHS) - 1:
                return None
            found.append(symbol)
            code, length = 0, 0
    is_padding = length < 8 and code == (1 << length) - 1
    return bytes(found) if is_padding else None


@lru_cache(maxsize=1)
def _codes() -> dict[tuple[int, int], int]:
    """Symbols by the length and the bits of their codes: of equal lengths, codes count up as symbols do."""
    codes: dict[tuple[int, int], int] = {}
    code, before = 0, 0
    for symbol in sorted(range(len(_CODE_LENGTHS)), key=lambda each: (_CODE_LENGTHS[each], each)):
        length = _CODE_LENGTHS[symbol]
        code <<= length - before
        codes[length, code] = symbol
        code, before = code + 1, length
    return codes
