"""A small log, changed in every bit and cut at every length, and bytes that were never a log."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from backstay.findings import Severity, worst
from backstay.formats.wal import Log, Segment, SegmentName, read_log
from backstay.formats.wal import layout as wal_layout
from tests.unit.formats import logs

CONTENT = logs.small_log()
SOUND = read_log([Segment(logs.FIRST, CONTENT)])
KINDS = {
    "log-damaged",
    "log-ends-early",
    "log-gap",
    "log-metadata-mismatch",
    "log-metadata-missing",
    "log-segment-missing",
    "log-segment-name",
    "log-state-missing",
    "log-torn-tail",
}


def read(content: bytes) -> Log:
    return read_log([Segment(logs.FIRST, content)])


def said(log: Log) -> tuple[object, ...]:
    """All that a log says."""
    return log.metadata, log.entries, log.hard_state, log.snapshots


def unseen_bits() -> dict[int, tuple[int, str]]:
    """The bits whose change is not reported: byte -> (bits, why). The content is the same, so nothing is lost."""
    unseen = {}
    offset = 0
    while offset < len(CONTENT):
        value = int.from_bytes(CONTENT[offset : offset + 8], "little")
        length, pad = wal_layout.split_length_field(value)
        # Bits 59 to 62 of the length field mean nothing, nor does any of the byte alone when there is no padding: bit 63
        # says that bits 56 to 58 count it. etcd does not look at the others either.
        unseen[offset + 7] = (0x78 if pad else 0xFF, "bits of the length field without a meaning")
        offset += 8 + length
        for position in range(offset, offset + pad):
            unseen[position] = (0xFF, "padding, which etcd does not look at")
        offset += pad
    # The checksum record has no data. Its field 2 is 0, so it may as well be an unknown field, which readers skip.
    unseen[10] = (0x60, "the tag of a zero; any unknown field of the same wire type says the same")
    return unseen


def test_every_changed_bit_is_reported_or_changes_nothing() -> None:
    expected = unseen_bits()
    seen_as: dict[int, int] = {}
    for position in range(len(CONTENT)):
        for bit in range(8):
            changed = bytearray(CONTENT)
            changed[position] ^= 1 << bit
            log = read(bytes(changed))
            assert {finding.code for finding in log.findings} <= KINDS
            if not log.findings:
                assert said(log) == said(SOUND), (position, bit)
                seen_as[position] = seen_as.get(position, 0) | 1 << bit
            else:
                assert log.entries in ([], SOUND.entries)
    assert seen_as == {position: bits for position, (bits, _) in expected.items()}


def test_every_changed_byte_of_a_longer_log_is_an_error_or_a_warning_at_its_record() -> None:
    """Nothing after the damage is used, and nothing before it is lost."""
    encoder = logs.LogEncoder()
    whole = logs.segment([logs.START, *(logs.normal(index) for index in range(1, 21))], encoder=encoder)
    content = bytes(whole.data)
    starts = []
    offset = 0
    while offset < len(content):
        starts.append(offset)
        length, pad = wal_layout.split_length_field(int.from_bytes(content[offset : offset + 8], "little"))
        offset += 8 + length + pad
    head = 3  # checksum, metadata, snapshot
    for number, start in enumerate(starts[head:]):
        changed = bytearray(content)
        changed[start + 16] ^= 0x01
        log = read(bytes(changed))
        assert worst(log.findings) in (Severity.WARNING, Severity.ERROR)
        assert log.findings[0].offset == start
        assert logs.indexes(log) == list(range(1, number + 1))


def test_a_log_cut_at_any_length_is_reported() -> None:
    for size in range(len(CONTENT)):
        log = read(CONTENT[:size])
        assert log.findings, size
        assert {finding.code for finding in log.findings} <= KINDS
        assert log.entries == (SOUND.entries if size >= 0xD0 else [])


def test_a_log_zeroed_from_any_byte_on_is_reported() -> None:
    """A crash that lost all sectors behind a point, at any point; padding is zero already."""
    last_meaningful = len(CONTENT.rstrip(b"\0"))
    for size in range(last_meaningful):
        log = read(CONTENT[:size].ljust(4096, b"\0"))
        assert log.findings, size


@given(st.binary(max_size=400), st.integers(0, 1 << 64))
def test_random_bytes_never_crash_the_reader(data: bytes, from_index: int) -> None:
    log = read_log([Segment(logs.FIRST, data)], from_index=from_index)
    assert log.findings
    assert {finding.code for finding in log.findings} <= KINDS


@given(st.binary(max_size=200), st.integers(0, len(CONTENT)), st.integers(0, 3))
def test_random_bytes_inside_a_log_never_crash_the_reader(data: bytes, position: int, further: int) -> None:
    segments = [Segment(logs.FIRST, CONTENT[:position] + data + CONTENT[position:])]
    segments += [Segment(str(SegmentName(number, number)), data) for number in range(1, further + 1)]
    log = read_log(segments)
    assert {finding.code for finding in log.findings} <= KINDS
    assert len(log.findings) < 10


@given(st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=60)), max_size=4))
def test_any_names_never_crash_the_reader(files: list[tuple[str, bytes]]) -> None:
    log = read_log([Segment(name, data) for name, data in files])
    assert log.findings


def test_a_million_tiny_frames_are_bounded_by_the_size_of_the_file() -> None:
    content = CONTENT + (b"\x01" + bytes(7) + b"\x08" + bytes(7)) * 50_000
    tracemalloc.start()
    log = read(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert log.findings
    assert peak < 4 * len(content)
