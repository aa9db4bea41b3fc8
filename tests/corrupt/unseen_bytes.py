"""What `snapshot verify` cannot see once the SHA-256 fits again: the kinds of bytes, and why.

The data behind docs/reference/what-verify-cannot-see.md and the test that changes every byte. The numbers are of the
small snapshot (`small_snapshot`), one changed bit in each byte.

    python -m tests.corrupt.unseen_bytes      measures anew and writes the page
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.findings import Finding
from backstay.formats.bbolt import open_database
from backstay.snapshot.inspect import Trailer, inspect_database
from backstay.snapshot.verify import Level, judge
from tests.corrupt.small_snapshot import content, map_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "what-verify-cannot-see.md"

_NOTHING_COVERS = "content that no checksum of bbolt or etcd covers; any other content would be as good"
_UNUSED = "no byte of it is ever read: not by etcd, not by bbolt, not by backstay"


class Unseen(NamedTuple):
    """One kind of byte: how many there are, how many of their changes go unseen, and the reason."""

    kind: str
    bytes: int
    unseen: int
    reason: str


UNSEEN: tuple[Unseen, ...] = (
    Unseen("unused rest of a meta page", 8032, 8032, _UNUSED),
    Unseen("unused rest of a page", 4197, 4197, _UNUSED),
    Unseen("free page", 4096, 4096, _UNUSED),
    Unseen("bucket sequence", 80, 80, "a counter that etcd never uses and bbolt only hands out"),
    Unseen("value", 903, 903, _NOTHING_COVERS),
    Unseen(
        "user key",
        560,
        453,
        "a key that was written once is as good under another name; other changes break its history",
    ),
    Unseen("version", 27, 1, "compaction removed the records before it, so that other versions are possible"),
    Unseen("revision key", 513, 22, "the sub revision of a compacted record: compaction leaves gaps in them"),
    Unseen("lease: a value", 13, 2, "the time to live; " + _NOTHING_COVERS),
    Unseen("members: a value", 120, 69, "names and URLs; " + _NOTHING_COVERS),
    Unseen("authUsers: a value", 34, 20, "password hash and names of roles; " + _NOTHING_COVERS),
    Unseen("authRoles: a value", 18, 5, "type and keys of a permission; " + _NOTHING_COVERS),
    Unseen("auth: authRevision", 8, 8, "a counter; " + _NOTHING_COVERS),
    Unseen("cluster: clusterVersion", 5, 2, "another version; " + _NOTHING_COVERS),
    Unseen("meta: storageVersion", 5, 2, "another version; " + _NOTHING_COVERS),
    Unseen(
        "meta: consistent_index", 8, 8, "only the log could tell which entry was the last one; a restore sets it anew"
    ),
    Unseen("meta: term", 8, 8, "only the log could tell; a restore sets it anew"),
    Unseen("meta: confState", 52, 10, "the name of a field; a restore writes it anew"),
)


def findings_of(data: bytes) -> list[Finding] | FormatError:
    """What `verify` finds in a file with this content and a SHA-256 that fits; an error where it does not open."""
    try:
        inspection = inspect_database(open_database(data))
    except FormatError as problem:
        return problem
    # The trailer is as good as right: computing it anew for each of thousands of files proves nothing more.
    checks = judge(dataclasses.replace(inspection, trailer=Trailer.RIGHT), Level.COHERENT)
    return [finding for check in checks for finding in check.findings]


def flipped(data: bytes, position: int) -> bytes:
    """`data` with one bit of one byte changed, another bit in each of eight neighbours."""
    changed = bytearray(data)
    changed[position] ^= 1 << (position % 8)
    return bytes(changed)


def measure() -> tuple[Counter[str], Counter[str]]:
    """Change every byte: how many there are of each kind, and how many changes went unseen."""
    data = content()
    kinds = map_of(data)
    unseen = Counter(kinds[at] for at in range(len(data)) if findings_of(flipped(data, at)) == [])
    return Counter(kinds), unseen


def page() -> str:
    """The reference page."""
    seen = sum(Counter(map_of(content())).values())
    rows = "\n".join(f"| {each.kind} | {each.bytes} | {each.unseen} | {each.reason} |" for each in UNSEEN)
    return f"""\
# What verify cannot see

While the SHA-256 at the end of a snapshot is whole, `backstay snapshot verify` reports every change of every byte, and
every truncation. A bare database file has none, and whoever changes a file on purpose can compute it anew. Then some
bytes remain whose change nothing inside the file can show. This is the whole list, measured by changing one bit in each
of the {seen} bytes of a small snapshot that holds something of everything (`tests/corrupt/unseen_bytes.py`):

| byte | of them | unseen | why |
| --- | ---: | ---: | --- |
{rows}

Kinds of bytes that are not in the list are never changed unseen: page headers, element tables, bucket names and roots,
revision keys above the compaction, create and mod revisions, lease ids, compaction markers, alarms.

What shows such changes all the same: the HASH of `snapshot status` where it was noted down, and HashKV compared with
another member or another copy (`backstay hashkv`), which covers keys and values but not leases, users and members.

Two more things no single file can show. Records missing at the end look like an older snapshot. And etcd 3.5.0 to 3.5.2
could lose writes of one member in a crash; `verify` says so when it knows or suspects the release
(`release-suspect`), and only another member can tell.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
