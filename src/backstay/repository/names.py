"""The names of a repository's objects (docs/formats/repository.md, 2).

backstay.json
trust/0000000000000001
keys/20261124-3132333435363738/0f6c2a9be1d74c55.age
runs/5d1c9f3a77e2b014/state/2026/11/24/77aa01ce5f3a9c21-<sha256>
manifests/5d1c9f3a77e2b014/0000000000000001
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from backstay.crypto.sealing import EpochId, ObjectClass

DESCRIPTION = "backstay.json"
TRUST = "trust/"
KEYS = "keys/"
RUNS = "runs/"
MANIFESTS = "manifests/"
PREFIXES = (TRUST, KEYS, RUNS, MANIFESTS, "gc/", "holds/", "pins/", "facts/", "proofs/", "tags/")

LINEAGE = "[0-9a-f]{16}"
SHA256 = "[0-9a-f]{64}"
REPOSITORY = "[0-9a-f]{32}"
_DIGITS = 16
_MANIFEST = re.compile(rf"manifests/({LINEAGE})/(?!0{{16}})([0-9]{{16}})")  # they begin at 1
_TRUST = re.compile(r"trust/([0-9]{16})")
_SLOT = re.compile(r"keys/([0-9]{8})-([0-9a-f]{16})/([0-9a-f]{16})\.([a-z0-9-]{1,32})")
_RUN = re.compile(
    rf"runs/({LINEAGE})/(base|state|history|log|entries|merged|companions)/[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}}/"
    rf"[0-9a-f]{{16}}-({SHA256})"
)
RUN = _RUN.pattern


def trust(number: int) -> str:
    """The trust document `number`."""
    return f"{TRUST}{number:0{_DIGITS}d}"


def trust_number(name: str) -> int | None:
    """The number in the name of a trust document; None for another name."""
    found = _TRUST.fullmatch(name)
    return int(found[1]) if found else None


def slot(epoch: EpochId, recipient: str, kind: str) -> str:
    """The slot of a recipient."""
    return f"{KEYS}{epoch}/{recipient}.{kind}"


def slot_kind(name: str) -> str | None:
    """The type of a slot; None for another name."""
    found = _SLOT.fullmatch(name)
    return found[4] if found else None


def slot_epoch(name: str) -> EpochId | None:
    """The epoch of a slot; None for another name."""
    found = _SLOT.fullmatch(name)
    return EpochId(int(found[1]), bytes.fromhex(found[2])) if found else None


def slot_recipient(name: str) -> str | None:
    """The id of the recipient of a slot; None for another name."""
    found = _SLOT.fullmatch(name)
    return found[3] if found else None


def run(lineage: str, kind: ObjectClass, day: datetime, salt: bytes, sha256: str) -> str:
    """A run that is written on `day`."""
    return f"{RUNS}{lineage}/{kind.label}/{day.astimezone(UTC):%Y/%m/%d}/{salt[:8].hex()}-{sha256}"


def run_sha256(name: str) -> str:
    """The SHA-256 that a run's name promises; raises `ValueError` for another name."""
    found = _RUN.fullmatch(name)
    if not found:
        raise ValueError(f"{name!r} is not the name of a run")
    return found[3]


def manifest(lineage: str, sequence: int) -> str:
    """The manifest `sequence` of a lineage."""
    return f"{MANIFESTS}{lineage}/{sequence:0{_DIGITS}d}"


def manifest_place(name: str) -> tuple[str, int] | None:
    """Lineage and sequence in the name of a manifest; None for another name."""
    found = _MANIFEST.fullmatch(name)
    return (found[1], int(found[2])) if found else None
