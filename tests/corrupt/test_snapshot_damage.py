"""A small snapshot, changed in every byte and cut at every page: all of it reported, or the reason why not."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from backstay.errors import FormatError
from backstay.findings import Severity, worst
from backstay.formats.bbolt import open_database
from backstay.snapshot.inspect import Trailer, inspect_database
from backstay.snapshot.opened import open_file
from backstay.snapshot.verify import Level, judge, reached, verify
from tests.corrupt import unseen_bytes
from tests.corrupt.small_snapshot import PAGE, content, with_trailer


def test_the_undamaged_snapshot_reaches_every_level(tmp_path: Path) -> None:
    file = tmp_path / "small.db"
    file.write_bytes(with_trailer(content()))
    assert file.stat().st_size <= 32 << 10
    with open_file(file) as store:
        verification = verify(store, Level.REBUILT)
    assert verification.findings == ()
    assert verification.reached is Level.REBUILT


def test_every_changed_byte_is_reported_while_the_trailer_is_whole() -> None:
    """The bytes of the trailer included. In memory: the judgement sees a wrong trailer, whatever else it sees."""
    file = with_trailer(content())
    sound = inspect_database(open_database(file[:-32]))
    for position in range(len(file)):
        changed = unseen_bytes.flipped(file, position)
        digest_fits = hashlib.sha256(changed[:-32]).digest() == changed[-32:]
        assert not digest_fits, position
    checks = judge(dataclasses.replace(sound, trailer=Trailer.WRONG), Level.COHERENT)
    assert reached(checks, Level.COHERENT) is Level.INTACT
    assert worst(finding for check in checks for finding in check.findings) is Severity.ERROR


def test_a_changed_byte_of_each_page_is_reported_from_the_file(tmp_path: Path) -> None:
    whole = with_trailer(content())
    for position in (*range(0, len(whole), 509), len(whole) - 1):
        file = tmp_path / f"{position}.db"
        file.write_bytes(unseen_bytes.flipped(whole, position))
        try:
            with open_file(file) as store:
                verification = verify(store)
        except FormatError:
            continue
        assert worst(verification.findings) is Severity.ERROR, position
        assert verification.reached < Level.AUTHENTIC, position


def test_every_truncation_is_reported(tmp_path: Path) -> None:
    whole = with_trailer(content())
    page_ends = range(PAGE, len(whole), PAGE)
    around = [end + by for end in page_ends for by in (-1, 0, 1, 32)]
    for size in (1, 79, 80, *around, len(whole) - 33, len(whole) - 31, len(whole) - 1):
        if size == len(whole):
            continue
        file = tmp_path / f"{size}.db"
        file.write_bytes(whole[:size])
        try:
            with open_file(file) as store:
                verification = verify(store)
        except FormatError:
            continue
        assert verification.reached < Level.AUTHENTIC, size
        assert verification.findings, size
        if size < len(whole) - 32:
            assert "bbolt-truncated" in {finding.code for finding in verification.findings}, size


def test_with_the_trailer_computed_anew_the_unseen_bytes_are_the_listed_ones() -> None:
    """No crash either: anything but findings or a `FormatError` would end this test."""
    of_them, unseen = unseen_bytes.measure()
    listed = {each.kind: (each.bytes, each.unseen) for each in unseen_bytes.UNSEEN}
    assert {kind: (of_them[kind], count) for kind, count in unseen.items()} == listed


def test_the_reference_page_lists_them() -> None:
    assert unseen_bytes.PAGE.read_text(encoding="utf-8") == unseen_bytes.page()
