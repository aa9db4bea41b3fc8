"""Streams that break, lie, end early, or hold a database that must not be kept: an error, and nothing left behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError, ErrorKind
from backstay.snapshot.save import save
from tests import golden
from tests.saving import Chunk, SteppingClock, answering, chunks_of, content_of, source_of

GOOD = content_of()
HONEST = chunks_of(GOOD)


def flipped(content: bytes) -> bytes:
    """One bit changed in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


LIES: dict[str, list[Chunk]] = {
    "nothing at all": [],
    "only the hash": HONEST[-1:],
    "no hash": HONEST[:-1],
    "half a hash": [*HONEST[:-1], Chunk(0, HONEST[-1].blob[:16])],
    "two hashes": [*HONEST, HONEST[-1]],
    "cut in the middle": HONEST[: len(HONEST) // 2],
    "a chunk is missing": [*HONEST[:1], *HONEST[2:]],
    "a chunk comes twice": [*HONEST[:2], *HONEST[1:]],
    "an odd size": [Chunk(0, b"x" * 100), HONEST[-1]],
    "an endless size": [Chunk(1 << 60, HONEST[0].blob)],
    "only empty chunks": [Chunk(0, b"")],
}


@pytest.mark.parametrize("name", LIES)
def test_a_stream_that_does_not_add_up_is_refused(name: str, tmp_path: Path) -> None:
    refused_as(errors.STREAM_BROKEN, GOOD, LIES[name], tmp_path)


def test_bytes_that_changed_on_the_way_are_refused(tmp_path: Path) -> None:
    changed = [*chunks_of(flipped(GOOD))[:-1], HONEST[-1]]
    problem = refused_as(errors.SNAPSHOT_INVALID, GOOD, changed, tmp_path)
    assert HONEST[-1].blob.hex() in problem.why


def test_a_stream_that_breaks_off_is_reported_as_it_broke(tmp_path: Path) -> None:
    def breaking() -> Iterator[Chunk]:
        yield from HONEST[:2]
        raise errors.DEADLINE_EXCEEDED.error("the snapshot stream stands still")

    with pytest.raises(BackstayError) as caught:
        save(tmp_path / "saved.db", source_of(GOOD, chunks=breaking), clock=SteppingClock())
    assert caught.value.kind is errors.DEADLINE_EXCEEDED
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Chunk]:
        yield from HONEST[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "saved.db", source_of(GOOD, chunks=interrupted), clock=SteppingClock())
    assert list(tmp_path.iterdir()) == []


# Of the damaged files, these differ from the sound one in nothing that a member streams: only in the SHA-256.
STREAMED = [name for name in golden.DAMAGED if name not in ("00-good", "07-no-trailer", "08-wrong-trailer")]


@pytest.mark.parametrize("name", STREAMED)
def test_a_damaged_database_is_not_kept_even_with_a_right_hash(name: str, tmp_path: Path) -> None:
    whole = golden.damaged(name)
    content = whole[: len(whole) // 512 * 512]
    source = source_of(content, chunks=chunks_of(content), own=answering(golden.damaged("00-good")[:-32]))
    try:
        save(tmp_path / "saved.db", source, clock=SteppingClock())
    except BackstayError as problem:
        assert problem.kind in (errors.SNAPSHOT_INVALID, errors.STREAM_BROKEN)
        assert list(tmp_path.iterdir()) == []
    else:
        assert name == "11-first-meta-invalid", "the second meta page is there, and leads to every key"


def refused_as(kind: ErrorKind, content: bytes, chunks: list[Chunk], place: Path) -> BackstayError:
    with pytest.raises(BackstayError) as caught:
        save(place / "saved.db", source_of(content, chunks=chunks), clock=SteppingClock())
    assert caught.value.kind is kind
    assert caught.value.where
    assert list(place.iterdir()) == []
    return caught.value


def test_the_honest_stream_is_kept_as_it_is(tmp_path: Path) -> None:
    report = save(tmp_path / "saved.db", source_of(GOOD), clock=SteppingClock())
    saved = (tmp_path / "saved.db").read_bytes()
    assert saved == GOOD + hashlib.sha256(GOOD).digest()
    assert (report.size, report.sha256) == (len(saved), hashlib.sha256(GOOD).hexdigest())
    assert (tmp_path / "saved.db").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "saved.db"]
