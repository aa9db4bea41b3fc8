"""Holds: signed documents that forbid to remove points, until a date or until somebody releases them.

    holds/5d1c9f3a77e2b014                      the hold: points, reason, until when
    holds/5d1c9f3a77e2b014-released-0c5be1f2    a release of it: when, and why

Neither is ever changed or deleted, so who held and who released what stays on record. All doubt is for keeping: a hold
that cannot be read is an error and no absent hold, and a release that cannot be believed releases nothing. The name of a
release is random, so what somebody else put there cannot be in the way of the next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from backstay import errors
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.repository import names
from backstay.repository.commit import put_once
from backstay.repository.fields import Fields, head_of, open_document, time_text
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Entropy, Repository

PREFIX = "holds/"
LONGEST_REASON = 500
_ID = re.compile(r"[0-9a-f]{16}")
_RELEASE = re.compile(r"([0-9a-f]{16})-released-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Release:
    """Who ended a hold, when and why."""

    time: datetime
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Hold:
    """`points` are ids; `until` None is until it is released. `by` is the label of the writer who signed it."""

    id: str
    time: datetime
    reason: str
    until: datetime | None
    points: tuple[str, ...]
    by: str = ""
    release: Release | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it forbids anything at `now`."""
        return self.release is None and (self.until is None or now < self.until)


def put_hold(
    repository: Repository,
    points: Sequence[Manifest],
    reason: str,
    until: datetime | None,
    key: SigningKey,
    *,
    now: datetime,
    entropy: Entropy,
) -> Hold:
    """Store a hold on `points`. Raises `SIGNING_KEY_INVALID` for a key that the repository does not trust."""
    by = _require_trusted(repository, key)
    hold = Hold(entropy(8).hex(), now, reason, until, tuple(each.id for each in points), by)
    document = head_of("hold", repository.id) | {
        "id": hold.id,
        "time": time_text(now),
        "reason": reason,
        "until": None if until is None else time_text(until),
        "points": [{"lineage": each.lineage, "sequence": each.sequence} for each in points],
    }
    put_once(repository.store, f"{PREFIX}{hold.id}", sign_document(document, key))
    return hold


def release_hold(
    repository: Repository, hold: Hold, reason: str, key: SigningKey, *, now: datetime, entropy: Entropy
) -> Hold:
    """End a hold; one that was released before stays as it was released. Raises `SIGNING_KEY_INVALID`."""
    by = _require_trusted(repository, key)
    document = head_of("hold-release", repository.id) | {"id": hold.id, "time": time_text(now), "reason": reason}
    put_once(repository.store, f"{PREFIX}{hold.id}-released-{entropy(4).hex()}", sign_document(document, key))
    return replace(hold, release=hold.release or Release(now, reason, by))


def read_holds(repository: Repository) -> tuple[Hold, ...]:
    """All holds, oldest first. Raises `OBJECT_DAMAGED`, `SIGNATURE_WRONG`, `REPOSITORY_NEWER` for one that cannot be believed."""
    listed = {blob.name.removeprefix(PREFIX) for blob in repository.store.list(PREFIX)}
    found = []
    for name in sorted(filter(_ID.fullmatch, listed)):
        hold = _decode_hold(repository, name)
        releases = (_release(repository, name, each) for each in listed if _released(each) == name)
        believed = [each for each in releases if each is not None]
        found.append(replace(hold, release=min(believed, key=lambda each: each.time, default=None)))
    return tuple(sorted(found, key=lambda hold: (hold.time, hold.id)))


def _decode_hold(repository: Repository, name: str) -> Hold:
    # A revoked writer's hold still holds: he could remove nothing with it.
    fields, by = _open(repository, f"{PREFIX}{name}", "hold", revoked_too=True)
    hold = Hold(
        _own_id(fields, name),
        fields.time("time"),
        fields.text("reason", longest=LONGEST_REASON),
        _optional_time(fields, "until"),
        tuple(_point(each) for each in fields.objects("points")),
        by,
    )
    fields.finish()
    return hold


def _released(name: str) -> str:
    """The id of the hold that a release of this name would end; empty for another name."""
    found = _RELEASE.fullmatch(name)
    return found[1] if found else ""


def _release(repository: Repository, name: str, release_name: str) -> Release | None:
    """A release of the hold `name`; None where it is not to be believed."""
    try:
        fields, by = _open(repository, f"{PREFIX}{release_name}", "hold-release", revoked_too=False)
        _own_id(fields, name)
        release = Release(fields.time("time"), fields.text("reason", longest=LONGEST_REASON), by)
        fields.finish()
    except errors.BackstayError as problem:
        if problem.kind not in _UNBELIEVABLE:
            raise
        return None
    return release


_UNBELIEVABLE = (errors.OBJECT_DAMAGED, errors.OBJECT_MISSING, errors.SIGNATURE_WRONG, errors.REPOSITORY_NEWER)


def _open(repository: Repository, where: str, kind: str, *, revoked_too: bool) -> tuple[Fields, str]:
    document = read_document(repository.fetch(where), where)
    writer = repository.trust.writer(document.key)
    if writer is None or (writer.revoked is not None and not revoked_too):
        raise errors.SIGNATURE_WRONG.error(f"`{where}` is signed by a key that may not write here", where=where)
    return open_document(document.fields, kind, where, repository.id), writer.label


def _own_id(fields: Fields, name: str) -> str:
    """The id, which must be that of the object's name: else one hold's release could be copied to another."""
    if fields.text("id") != name:
        raise errors.SIGNATURE_WRONG.error(f"`{fields.where}` was written under another name", where=fields.where)
    return name


def _optional_time(fields: Fields, name: str) -> datetime | None:
    value = fields.take(name)
    return None if value is None else Fields({name: value}, fields.where).time(name)


def _point(fields: Fields) -> str:
    point = f"{fields.text('lineage', names.LINEAGE)}-{fields.number('sequence', 1)}"
    fields.finish()
    return point


def _require_trusted(repository: Repository, key: SigningKey) -> str:
    writer = repository.trust.writer(key.public)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNING_KEY_INVALID.error(
            "this host may not write to the repository", where=repository.store.location, why=key.public
        )
    return writer.label
