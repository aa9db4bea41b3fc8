"""One pass over bucket `key`: what it holds, and every finding about its records.

The strongest offline proof that nothing is lost is density (etcd-files section 8.1): above the compact revision every
main revision has at least one record, because each writing transaction takes the next number and nothing above the
compact revision is ever deleted. Structure checks pass on torn copies that hold 3 of 4,500 records; this does not.

The survey is fed leaf by leaf in key order by whoever walks the file anyway, and costs one dictionary entry and some
twenty bytes per record.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from backstay import findings
from backstay.errors import FormatError
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats import mvcc, protowire
from backstay.formats.bbolt import Buffer
from backstay.formats.hashkv import RecordPage, Span
from backstay.values import NO_COMPACTION, Revision

MAX_FINDINGS = 100
"""Of one kind; more of the same say nothing new and are counted in the last one."""

_OTHER_SNAPSHOT = "do not restore this file; use an older snapshot, or save a new one from a healthy member"

REVISION_KEY_INVALID = findings.declare(
    "revision-key-invalid",
    Severity.ERROR,
    "A key of bucket `key` is not a revision; etcd panics on it or skips it.",
    _OTHER_SNAPSHOT,
)
RECORD_INVALID = findings.declare(
    "record-invalid",
    Severity.ERROR,
    "A value of bucket `key` does not decode as a KeyValue; etcd refuses to start on it.",
    _OTHER_SNAPSHOT,
)
RECORD_INCONSISTENT = findings.declare(
    "record-inconsistent",
    Severity.ERROR,
    "A record contradicts its revision or the record before it (mod revision, create revision, version): it was changed.",
    _OTHER_SNAPSHOT,
)
REVISION_GAP = findings.declare(
    "revision-gap",
    Severity.ERROR,
    "Revisions above the compact revision are missing: writes were lost. A copy of a live database looks like this.",
    _OTHER_SNAPSHOT,
)
RECORD_UNUSUAL = findings.declare(
    "record-unusual",
    Severity.WARNING,
    "A record decodes but is not encoded as etcd writes it: unknown or repeated fields, or numbers longer than needed.",
    "compare HashKV with another member before trusting this file",
)
TOMBSTONE_STRAY = findings.declare(
    "tombstone-stray",
    Severity.WARNING,
    "A key is deleted that did not exist; harmless, but etcd does not write such records above the compact revision.",
    "compare HashKV with another member before trusting this file",
)

# create, mod, version as varints, then the length of the value where there is one: the fields of every ordinary put.
_PUT_FIELDS = re.compile(
    rb"\x10([\x80-\xff]*[\x00-\x7f])\x18([\x80-\xff]*[\x00-\x7f])\x20([\x80-\xff]*[\x00-\x7f])"
    rb"(?:\x2a([\x80-\xff]*[\x00-\x7f]))?",
    re.DOTALL,
)


@dataclass(slots=True)
class KeyspaceTotals:
    """What the survey counted."""

    record_count: int = 0
    tombstone_count: int = 0
    live_key_count: int = 0
    last_revision: int = 0


# What the survey remembers of the newest record of a user key, in one integer because there are millions of them:
# position among the compacted records + 1 (0: newer than the compaction) | create revision | version | is it a put.
_VERSION_SHIFT = 1
_CREATE_SHIFT = 41
_POSITION_SHIFT = 105
_LIFE_MASK = (1 << _POSITION_SHIFT) - 1
_NEXT_VERSION = 1 << _VERSION_SHIFT
_LEFT = 2
"""Among the kept ones: a put that the compaction leaves and a later record replaces."""


class KeyspaceSurvey:
    """Feed it every leaf of bucket `key` in order, then read `totals`, `findings`, `kept` and `live_leases`."""

    def __init__(self, compact_revision: Revision) -> None:
        self.findings: list[Finding] = []
        self.totals = KeyspaceTotals()
        self._compact = compact_revision
        self._floor = max(compact_revision, 1)
        self._counts: dict[str, int] = {}
        self._previous_main = 0
        self._previous_sub = 0
        self._newest: dict[bytes, int] = {}
        self._kept = bytearray()
        self._leases: dict[bytes, int] = {}
        self._numbers = _short_numbers()

    def feed(self, data: Buffer, spans: list[Span]) -> None:
        """The next records: `spans` are positions in `data`."""
        self.feed_pages((RecordPage(data, spans),))

    def feed_pages(self, pages: Iterable[RecordPage]) -> None:
        """The next pages of records; many at a time are cheaper than one.

        The loop knows ordinary records by heart: a key of less than 128 bytes, and a tombstone or a put without lease.
        Everything else, and everything that looks wrong, goes through `_feed_unusual`.
        """
        unpack = mvcc.REVISION_STRUCT.unpack_from
        match_put = _PUT_FIELDS.match
        newest = self._newest
        short_numbers = self._numbers
        compact, floor, leases = self._compact, self._floor, self._leases
        previous_main, previous_sub = self._previous_main, self._previous_sub
        totals = self.totals
        for data, spans in pages:
            for _, key_start, value_start, value_end in spans:
                size = value_start - key_start
                if size != 17 and size != 18:
                    self._report(REVISION_KEY_INVALID, "record", f"its key has {size} bytes")
                    continue
                main, separator, sub = unpack(data, key_start)
                if separator != 0x5F or main > mvcc.MAX_REVISION or sub > mvcc.MAX_REVISION:
                    self._report(REVISION_KEY_INVALID, "record", f"its key is {data[key_start:value_start].hex()}")
                    continue
                if main > floor and (sub or main != previous_main + 1):
                    self._check_density(main, sub, previous_main, previous_sub)
                previous_main, previous_sub = main, sub
                totals.record_count += 1
                first = value_start + 2
                if first > value_end or data[value_start] != 0x0A:
                    self._feed_unusual(data, main, key_start, value_start, value_end)
                    continue
                key_end = first + data[value_start + 1]
                if size != 17 or key_end > value_end or key_end - first > 0x7F:
                    self._feed_unusual(data, main, key_start, value_start, value_end)
                    continue
                found = match_put(data, key_end, value_end)
                if not found:
                    self._feed_unusual(data, main, key_start, value_start, value_end)
                    continue
                create_bytes, mod_bytes, version_bytes, length_bytes = found.groups()
                end = found.end()
                if length_bytes:
                    end += short_numbers.get(length_bytes) or _number(length_bytes)
                mod = short_numbers.get(mod_bytes) or _number(mod_bytes)
                if end != value_end or mod != main:
                    self._feed_unusual(data, main, key_start, value_start, value_end)
                    continue
                create = mod if create_bytes == mod_bytes else short_numbers.get(create_bytes) or _number(create_bytes)
                version = short_numbers.get(version_bytes) or _number(version_bytes)
                key = data[first:key_end]
                life = create << _CREATE_SHIFT | version << _VERSION_SHIFT | 1
                before = newest.get(key)
                if before is None:
                    if create != main or version != 1:
                        self._check_continuity(main, None, create, version)
                else:
                    if before & _LIFE_MASK != life - _NEXT_VERSION:
                        self._check_continuity(main, before, create, version)
                    if before > _LIFE_MASK:
                        self._kept[(before >> _POSITION_SHIFT) - 1] = _LEFT if main > compact and before & 1 else 0
                if main <= compact:
                    self._kept.append(1)
                    life |= len(self._kept) << _POSITION_SHIFT
                newest[key] = life
                if leases:
                    leases.pop(key, None)
        self._previous_main, self._previous_sub = previous_main, previous_sub

    def _feed_unusual(self, data: Buffer, main: int, key_start: int, value_start: int, value_end: int) -> None:
        """A tombstone, a record with a lease or a long key, the empty value of a bump, or damage."""
        tombstone = value_start - key_start == mvcc.TOMBSTONE_KEY_SIZE
        try:
            mvcc.decode_revision(data[key_start:value_start])
        except FormatError as problem:
            self._report(REVISION_KEY_INVALID, f"revision {main}", problem.what)
            return
        try:
            item = mvcc.decode_key_value(data[value_start:value_end])
        except FormatError as problem:
            self._report(RECORD_INVALID, f"revision {main}", problem.what)
            if main <= self._compact:
                self._kept.append(not tombstone)
            return
        if value_start == value_end:
            if tombstone:
                self._report(RECORD_INCONSISTENT, f"revision {main}", "a tombstone without a key")
            # The empty record of a revision bump: a put of the empty key that no range read returns.
            self._remember(main, b"", not tombstone, main, 1)
            return
        if not item.key:
            self._report(RECORD_INCONSISTENT, f"revision {main}", "its value holds no key")
        if mvcc.encode_key_value(item) != data[value_start:value_end]:
            self._report(RECORD_UNUSUAL, f"revision {main}", "its value is not encoded as etcd encodes it")
        before = self._newest.get(item.key)
        if tombstone:
            self.totals.tombstone_count += 1
            if item != mvcc.KeyValue(item.key):
                self._report(RECORD_INCONSISTENT, f"revision {main}", "a tombstone with more than a key")
            if (before is None or not before & 1) and main > self._compact:
                self._report(TOMBSTONE_STRAY, f"revision {main}", f"deletes {_shown(item.key)}, which did not exist")
            self._leases.pop(item.key, None)
            self._remember(main, item.key, False, 0, 0)
            return
        if item.mod_revision != main:
            self._report(RECORD_INCONSISTENT, f"revision {main}", f"its value says mod revision {item.mod_revision}")
        self._check_continuity(main, before, item.create_revision, item.version)
        self._leases.pop(item.key, None)
        if item.lease:
            self._leases[item.key] = item.lease
        self._remember(main, item.key, True, item.create_revision, item.version)

    def _remember(self, main: int, key: bytes, is_put: bool, create: int, version: int) -> None:
        before = self._newest.get(key)
        if before is not None and before > _LIFE_MASK:
            self._kept[(before >> _POSITION_SHIFT) - 1] = _LEFT if main > self._compact and before & 1 else 0
        # Damaged numbers must not spill into their neighbours; sound ones fit.
        create = max(0, min(create, mvcc.MAX_REVISION))
        version = max(0, min(version, (1 << (_CREATE_SHIFT - _VERSION_SHIFT)) - 1))
        life = create << _CREATE_SHIFT | version << _VERSION_SHIFT | is_put
        if main <= self._compact:
            self._kept.append(is_put)
            life |= len(self._kept) << _POSITION_SHIFT
        self._newest[key] = life

    def _check_continuity(self, main: int, before: int | None, create: int, version: int) -> None:
        """A put continues the put before it, begins anew after a deletion, or is the first one left by compaction."""
        begins = create == main and version == 1
        plausible = 1 <= create <= main and version >= 1 and (version == 1) == (create == main)
        if before is None:
            right = plausible if self._compact > 1 else begins
        elif before > _LIFE_MASK:
            # Compaction may have removed records, even whole lives, between a record it kept and the next one.
            right = plausible
        elif before & 1:
            right = (before & _LIFE_MASK) + _NEXT_VERSION == create << _CREATE_SHIFT | version << _VERSION_SHIFT | 1
        else:
            right = begins
        if not right:
            self._report(
                RECORD_INCONSISTENT, f"revision {main}", f"create revision {create} and version {version} do not follow"
            )

    def _check_density(self, main: int, sub: int, previous_main: int, previous_sub: int) -> None:
        """Above the compact revision, mains and the subs inside each follow one another without a gap."""
        if main == previous_main:
            if sub != previous_sub + 1:
                self._report(REVISION_GAP, f"revision {main}", f"sub revision {sub} follows {previous_sub}")
            return
        expected = max(previous_main, self._floor) + 1
        if main > expected:
            missing = f"{expected}" if main == expected + 1 else f"{expected} to {main - 1}"
            self._report(REVISION_GAP, "bucket key", f"revision {missing} missing before {main}")
        if sub:
            self._report(REVISION_GAP, f"revision {main}", f"begins with sub revision {sub}")

    def finish(self) -> KeyspaceTotals:
        """Call after the last leaf; completes `totals` and `findings`."""
        totals = self.totals
        totals.last_revision = self._previous_main
        totals.live_key_count = sum(life & 1 for life in self._newest.values())
        for code, count in self._counts.items():
            if count > MAX_FINDINGS:
                last = max(i for i, finding in enumerate(self.findings) if finding.code == code)
                kind = findings.catalogue()[code]
                self.findings[last] = kind.at("bucket key", f"{count - MAX_FINDINGS + 1} more of the same")
        return totals

    @property
    def kept(self) -> bytearray:
        """For `feed_hash` at the last revision: 1 for each compacted record that is the newest of its key and a put.

        When no key is live, 1 for each that the compaction leaves: the rule of HashKV then skips none of those.
        """
        is_anything_live = any(life & 1 for life in self._newest.values())
        return self._kept.replace(b"\2", b"\0" if is_anything_live else b"\1")

    def live_leases(self) -> set[int]:
        """Lease ids that live keys are attached to."""
        return set(self._leases.values())

    def live_keys(self) -> Iterable[bytes]:
        """The user keys that exist at the last revision, in no particular order."""
        return (key for key, life in self._newest.items() if life & 1)

    def _report(self, kind: FindingKind, subject: str, evidence: str) -> None:
        count = self._counts.get(kind.code, 0) + 1
        self._counts[kind.code] = count
        if count <= MAX_FINDINGS:
            self.findings.append(kind.at(subject, evidence))


@functools.cache
def _short_numbers() -> dict[bytes, int]:
    """Every varint of one and two bytes: nearly all versions and lengths, and the revisions of a young store."""
    numbers = {bytes((n,)): n for n in range(0x80)}
    numbers.update((bytes((n & 0x7F | 0x80, n >> 7)), n) for n in range(0x80, 0x4000))
    return numbers


def _number(encoded: bytes) -> int:
    """The number in a varint that is known to be whole; three and four bytes are nearly every revision."""
    size = len(encoded)
    if size == 3:
        return encoded[0] & 0x7F | (encoded[1] & 0x7F) << 7 | encoded[2] << 14
    if size == 4:
        return encoded[0] & 0x7F | (encoded[1] & 0x7F) << 7 | (encoded[2] & 0x7F) << 14 | encoded[3] << 21
    if size > 10:
        return -1
    return protowire.signed64(protowire.read_varint(encoded, 0, size)[0])


def _shown(key: bytes) -> str:
    return repr(key[:40].decode("utf-8", "backslashreplace")) + ("..." if len(key) > 40 else "")


def compact_revision_from(markers: Iterable[bytes]) -> Revision:
    """The compact revision that the two markers of bucket `meta` mean; damaged ones count as absent."""
    revision = NO_COMPACTION
    for marker in markers:
        try:
            revision = max(revision, Revision(mvcc.decode_revision(marker).main))
        except FormatError:
            continue
    return revision
