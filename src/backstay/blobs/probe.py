"""Ask a real blob store what it does, instead of believing what its kind usually does.

Three of five servers that speak S3 were seen to overwrite where they were asked to create. `repo init`, `doctor` and
`snapshot rotate` call `probe`; it writes one small object under a name of its own and deletes it again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from backstay import errors
from backstay.blobs.contract import Answer, BlobStore, Features
from backstay.clock import Clock
from backstay.findings import Finding, Severity, declare

STORE_OVERWRITES = declare(
    "store-overwrites",
    Severity.ERROR,
    "The storage replaces an object although it was asked to create it only if the name is free.",
    "let only one machine write there, or use a storage that honours `If-None-Match: *`",
)
STORE_READS_WRONG = declare(
    "store-reads-wrong",
    Severity.ERROR,
    "What the storage gave back, as a whole or as a part, is not what was written.",
    "do not keep backups there",
)
STORE_LISTS_LATE = declare(
    "store-lists-late",
    Severity.WARNING,
    "The storage's listing does not know a new object, or still knows a deleted one, right after the call.",
    "expect listings to be behind; do not delete old backups by what they say alone",
)
STORE_KEEPS_OBJECTS = declare(
    "store-keeps-objects",
    Severity.NOTE,
    "These credentials cannot delete: the probe's object stays, and old backups must be removed by somebody else.",
    "nothing, if backups are to be safe from whoever holds these credentials",
)
STORE_CLOCK_DIFFERS = declare(
    "store-clock-differs",
    Severity.WARNING,
    "The clock of the storage and the clock of this host are more than a minute apart.",
    "set both by NTP; S3 refuses signatures that are 15 minutes off",
)

STORE_LOCK_FORGOTTEN = declare(
    "store-lock-forgotten",
    Severity.WARNING,
    "The storage took a lock on an object, and deleted the object all the same.",
    "do not rely on locks there",
)

CLOCK_TOLERANCE_SECONDS = 60.0
LOCK_SECONDS = 2
NAME_PREFIX = "backstay-probe-"


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured, and what is worth telling."""

    features: Features
    findings: tuple[Finding, ...]


def probe(store: BlobStore, clock: Clock, random_source: random.Random) -> Probe:
    """Write, read, list and delete one object. Raises the store's own error when it cannot even be written to."""
    name = f"{NAME_PREFIX}{random_source.getrandbits(64):016x}"
    first, second = b"first " + name.encode(), b"second " + name.encode()
    found: list[Finding] = []
    store.put(name, first, create_only=True)
    now = clock.now()
    try:
        refuses = _refuses(store, name, first, second, found)
        offset = (store.stat(name).modified - now).total_seconds()
        if abs(offset) > CLOCK_TOLERANCE_SECONDS:
            found.append(STORE_CLOCK_DIFFERS.at(store.location, f"the storage's clock is {offset:+.0f} s off"))
        ranges = _reads_ranges(store, name, found)
        locks = _locks(store, name, clock, found)
        listed = any(blob.name == name for blob in store.list(NAME_PREFIX))
        if not listed:
            found.append(STORE_LISTS_LATE.at(store.location, f"`{name}` was written and is not listed"))
    except BaseException:
        _attempt(lambda: store.delete(name))
        raise
    deletes, forgotten = _deletes(store, name, found)
    features = replace(
        store.features(),
        create_refuses_existing=refuses,
        reads_ranges=ranges,
        lists_at_once=_answer(listed and forgotten),
        deletes=deletes,
        locks=locks,
        clock_offset_seconds=offset,
    )
    return Probe(features, tuple(found))


def _refuses(store: BlobStore, name: str, first: bytes, second: bytes, found: list[Finding]) -> Answer:
    try:
        store.put(name, second, create_only=True)
        refused = False
    except errors.BackstayError as error:
        if error.kind is not errors.BLOB_EXISTS:
            raise
        refused = True
    now_there = _whole(store, name)
    if refused and now_there == first:
        return Answer.YES
    if now_there not in (first, second):
        found.append(STORE_READS_WRONG.at(store.location, f"`{name}` holds neither content that was put"))
    else:
        said = "said that the name is taken" if refused else "reported success"
        found.append(STORE_OVERWRITES.at(store.location, f"the second create of `{name}` {said}"))
    return Answer.NO


def _reads_ranges(store: BlobStore, name: str, found: list[Finding]) -> Answer:
    whole = _whole(store, name)
    try:
        part = b"".join(store.get(name, offset=3, length=5))
    except errors.BackstayError as error:
        found.append(STORE_READS_WRONG.at(store.location, f"a range of `{name}` cannot be read: {error}"))
        return Answer.NO
    if part == whole[3:8]:
        return Answer.YES
    found.append(STORE_READS_WRONG.at(store.location, f"bytes 3 to 8 of `{name}` are not those of the whole"))
    return Answer.NO


def _locks(store: BlobStore, name: str, clock: Clock, found: list[Finding]) -> Answer:
    """Whether an object that is locked stays; asked of stores whose driver does not know. The lock is over when this returns."""
    known = store.features().locks
    if known is not Answer.UNKNOWN:
        return known
    until = store.stat(name).modified.replace(microsecond=0) + timedelta(seconds=LOCK_SECONDS)
    try:
        store.lock(name, until)
    except errors.BackstayError as error:
        if error.kind not in (errors.LOCK_UNSUPPORTED, errors.STORAGE_DENIED):
            raise
        return Answer.NO
    probed = Answer.YES
    try:
        store.delete(name)
        found.append(STORE_LOCK_FORGOTTEN.at(store.location, f"`{name}` was locked until {until:%H:%M:%S}"))
        store.put(name, b"again", create_only=False)
        probed = Answer.NO
    except errors.BackstayError as error:
        if error.kind not in (errors.BLOB_LOCKED, errors.STORAGE_DENIED):
            raise
    clock.sleep(LOCK_SECONDS + 1)
    return probed


def _deletes(store: BlobStore, name: str, found: list[Finding]) -> tuple[Answer, bool]:
    try:
        store.delete(name)
    except errors.BackstayError as error:
        if error.kind is not errors.STORAGE_DENIED:
            raise
        found.append(STORE_KEEPS_OBJECTS.at(store.location, f"deleting `{name}` was refused"))
        return Answer.NO, True
    forgotten = all(blob.name != name for blob in store.list(NAME_PREFIX))
    if not forgotten:
        found.append(STORE_LISTS_LATE.at(store.location, f"`{name}` was deleted and is still listed"))
    return Answer.YES, forgotten


def _whole(store: BlobStore, name: str) -> bytes:
    """What lies there, without asking for a range; no more of it than the probe could have written."""
    content = b""
    with closing(store.get(name)) as chunks:
        for chunk in chunks:
            content += chunk
            if len(content) > 4096:
                break
    return content


def _answer(question: bool) -> Answer:
    return Answer.YES if question else Answer.NO


def _attempt(call: Callable[[], None]) -> None:
    """Clean up after a failure; the failure is what counts."""
    try:
        call()
    except errors.BackstayError:
        return
