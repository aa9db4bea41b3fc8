"""The last frame of a run: what it holds and where its frames are (docs/formats/repository.md, 5). zstd of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from backstay.crypto.sealing import ObjectClass, damaged
from backstay.crypto.signing import parse_object
from backstay.repository import names
from backstay.repository.compression import LARGEST_CONTENT, pack, unpack
from backstay.repository.fields import Fields

_MOST = 1 << 32
_DIGEST = "([0-9a-f]{64})?"


class FrameIndex(NamedTuple):
    """One frame: where its sealed bytes are in the object, and what it holds. `first` is its first key."""

    offset: int
    length: int
    unpacked: int
    items: int
    lowest: int
    highest: int
    first: bytes


@dataclass(frozen=True, slots=True)
class Footer:
    """A run holds records of revisions above `start` up to `end`. Digests are of the state before and after it."""

    kind: ObjectClass
    lineage: str
    start: int
    end: int
    count: int
    before: str
    after: str
    vanished: tuple[tuple[int, int], ...]
    frames: tuple[FrameIndex, ...]


def encode_footer(footer: Footer) -> bytes:
    """The content of the last frame."""
    fields = {
        "class": footer.kind.label,
        "lineage": footer.lineage,
        "from": footer.start,
        "to": footer.end,
        "count": footer.count,
        "before": footer.before,
        "after": footer.after,
        "vanished": [list(each) for each in footer.vanished],
        "frames": [[*each[:6], each.first.hex()] for each in footer.frames],
    }
    return pack(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())


def decode_footer(content: bytes, kind: ObjectClass, where: str) -> Footer:
    """The footer in the last frame of a run of class `kind`. Raises `OBJECT_DAMAGED`, `REPOSITORY_NEWER`."""
    fields = Fields(parse_object(unpack(content, where), where), where)
    if fields.text("class") != kind.label:
        raise damaged(where, "its footer names another class")
    footer = Footer(
        kind,
        fields.text("lineage", names.LINEAGE),
        fields.number("from"),
        fields.number("to"),
        fields.number("count", highest=_MOST),
        fields.text("before", _DIGEST),
        fields.text("after", _DIGEST),
        tuple(_pair(each, where) for each in fields.list("vanished")),
        tuple(_frame(each, where) for each in fields.list("frames")),
    )
    fields.finish()
    if footer.count != sum(frame.items for frame in footer.frames):
        raise damaged(where, "its footer counts other records than its frames")
    return footer


def _pair(values: Any, where: str) -> tuple[int, int]:
    if not isinstance(values, list) or len(values) != 2 or not all(_is_number(each) for each in values):
        raise damaged(where, "a vanished record has no revision")
    return values[0], values[1]


def _frame(values: Any, where: str) -> FrameIndex:
    if not isinstance(values, list) or len(values) != 7 or not all(_is_number(each) for each in values[:6]):
        raise damaged(where, "its index of frames cannot be read")
    try:
        offset, length, unpacked, items, lowest, highest = values[:6]
        frame = FrameIndex(offset, length, unpacked, items, lowest, highest, bytes.fromhex(values[6]))
    except (TypeError, ValueError):
        raise damaged(where, "its index of frames names no first key") from None
    if frame.unpacked > LARGEST_CONTENT:
        raise damaged(where, f"a frame of {frame.unpacked} bytes is too large")
    return frame


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63
