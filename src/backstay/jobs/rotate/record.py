"""The `.json` beside a plain backup: etcd's own status of it, and below "backstay" what was verified of which bytes.

    {"hash": 2404021834, "revision": 12458, "totalKey": 2847, "totalSize": 8507392, "version": "3.6.0",
     "backstay": {"format": 1, "file": "etcd-backup-20261127-183000.db.zst.age", "saved": "2026-11-27T18:30:00+00:00",
                  "size": 2101777, "sha256": "...", "verified": "coherent", ...}}

Pure. It is written after the backup has arrived whole, so it is also the sign that the backup is complete. Nothing in it
is signed: it guards against accidents, not against somebody who may write to the target.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from backstay.snapshot.save import SaveReport, Verdict
from backstay.snapshot.verify import Level
from backstay.values import hex_id

LONGEST_BYTES = 1 << 20
_FORMAT = 1
_SHA256 = re.compile("[0-9a-f]{64}")
_ENOUGH = {str(level) for level in Level if level >= Level.AUTHENTIC}


@dataclass(frozen=True, slots=True)
class Record:
    """What a record claims of its backup: when it was saved (UTC), its size and SHA-256 as it lies there, its revision."""

    file: str
    saved: datetime
    size: int
    sha256: str
    revision: int


def encode_record(record: Record, report: SaveReport, *, compressed: bool, encrypted_to: tuple[str, ...]) -> bytes:
    """The bytes of the record of a backup that `report` tells of."""
    kv = report.hash_kv
    value = {
        **report.status.as_json(),
        "backstay": {
            "format": _FORMAT,
            "file": record.file,
            "saved": record.saved.astimezone(UTC).isoformat(),
            "size": record.size,
            "sha256": record.sha256,
            "verified": str(report.reached),
            "checks": [check.name for check in report.checks],
            "findings": [finding.code for finding in report.findings],
            "compressed": compressed,
            "encrypted_to": list(encrypted_to),
            "snapshot": {
                "size": report.size,
                "sha256_of_content": report.sha256,
                "compact_revision": report.compact_revision,
                "hash_kv": None if kv is None else kv.hash,
            },
            "endpoint": report.endpoint,
            "member": hex_id(report.member_id),
            "etcd_version": report.etcd_version,
            "members_compared": sum(each.verdict is Verdict.SAME for each in report.comparisons),
        },
    }
    return json.dumps(value, indent=1).encode() + b"\n"


def decode_record(data: bytes) -> Record | str:
    """The claim in `data`, or a sentence on why it claims nothing."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return "its .json is not JSON"
    ours = value.get("backstay") if isinstance(value, Mapping) else None
    if not isinstance(ours, Mapping):
        return "its .json does not say that backstay verified it"
    if ours.get("format") != _FORMAT:
        return f"its .json has a format that is not known: {str(ours.get('format'))[:20]!r}"
    if ours.get("verified") not in _ENOUGH:
        return "its .json does not say that it was verified"
    size, revision, saved = _count(ours.get("size")), _count(value.get("revision")), _time(ours.get("saved"))
    file, sha256 = ours.get("file"), ours.get("sha256")
    if not isinstance(file, str) or size is None or revision is None or saved is None:
        return "its .json lacks file, size, revision or time"
    if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        return "its .json has no SHA-256"
    return Record(file, saved, size, sha256, revision)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
