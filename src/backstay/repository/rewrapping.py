"""Key slots brought in line with the recipients: every epoch wrapped to all of them, and to nobody else.

    add        the epoch key is opened by an identity at hand and wrapped once more; no data is read or written
    remove     the slots of recipients that are not trusted any more

Slots are written once and never changed. One is deleted only where a slot of a trusted recipient stays, so no epoch loses its
last key here; one that the storage keeps under lock stays until its date, which is reported and is no error. What somebody
copied before, he can still open: only the next epoch, which begins with the change of trust, shuts him out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backstay import errors
from backstay.crypto.sealing import EpochId
from backstay.repository import names
from backstay.repository.commit import put_once
from backstay.repository.repository import Repository
from backstay.repository.trust import TrustedRecipient
from backstay.telemetry import Progress, SilentProgress

_NOT_NOW = (errors.KEY_SERVICE_FAILED, errors.KEY_SERVICE_DENIED, errors.KEY_UNAVAILABLE)
_KEPT = (errors.BLOB_LOCKED, errors.STORAGE_DENIED)


@dataclass(frozen=True, slots=True)
class MissingSlot:
    """A slot that a recipient lacks."""

    epoch: EpochId
    recipient: TrustedRecipient

    @property
    def name(self) -> str:
        """The name it will have."""
        return names.slot(self.epoch, self.recipient.id, self.recipient.type)


@dataclass(frozen=True, slots=True)
class RewrapPlan:
    """What is to be done: slots to add, and names of slots to delete."""

    epochs: int
    missing: tuple[MissingSlot, ...]
    stale: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What was done. `failures` are why slots could not be added; `kept` are slots that could not be deleted."""

    added: int
    removed: int
    kept: tuple[str, ...]
    failures: tuple[tuple[MissingSlot, errors.BackstayError], ...]


def epochs(repository: Repository) -> Iterator[EpochId]:
    """Every epoch that has slots, oldest first."""
    found = {epoch for name in slot_names(repository) if (epoch := names.slot_epoch(name)) is not None}
    yield from sorted(found)


def slot_names(repository: Repository) -> list[str]:
    """The names of all slots."""
    return [blob.name for blob in repository.store.list(names.KEYS) if names.slot_epoch(blob.name) is not None]


def plan_rewrap(
    repository: Repository, recipients: Sequence[TrustedRecipient], *, remove_stale: bool = True
) -> RewrapPlan:
    """What is missing for `recipients`, and what belongs to none of them."""
    there = slot_names(repository)
    present = set(there)
    trusted = {each.id for each in recipients}
    known = sorted({epoch for name in there if (epoch := names.slot_epoch(name)) is not None})
    wanted = (MissingSlot(epoch, recipient) for epoch in known for recipient in recipients)
    return RewrapPlan(
        len(known),
        tuple(each for each in wanted if each.name not in present),
        tuple(name for name in there if remove_stale and names.slot_recipient(name) not in trusted),
    )


def rewrap(repository: Repository, plan: RewrapPlan, progress: Progress | None = None) -> Rewrapped:
    """Carry out `plan`. Whatever can be added is; raises the storage's own errors, and then may be run again."""
    watch = progress if progress is not None else SilentProgress()
    added, failures = 0, []
    watch.begin(f"wrapping {len(plan.missing)} keys", None)
    for slot in plan.missing:
        try:
            key = repository.key_of(slot.epoch, slot.name)
            if key is not None:
                put_once(repository.store, slot.name, repository.wrap(key, slot.recipient))
                added += 1
        except errors.BackstayError as problem:
            if problem.kind not in _NOT_NOW:
                raise
            failures.append((slot, problem))
    removed, kept = _remove(repository, plan.stale)
    return Rewrapped(added, removed, tuple(kept), tuple(failures))


def _remove(repository: Repository, stale: Sequence[str]) -> tuple[int, list[str]]:
    """How many were deleted, and those that had to stay."""
    removed: int = 0
    kept: list[str] = []
    going = set(stale)
    held = {names.slot_epoch(name) for name in slot_names(repository) if name not in going}
    for name in stale:
        if names.slot_epoch(name) not in held:
            kept.append(name)
            continue
        try:
            repository.store.delete(name)
            removed += 1
        except errors.BackstayError as problem:
            if problem.kind not in _KEPT:
                raise
            kept.append(name)
    return removed, kept
