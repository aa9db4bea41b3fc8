"""A log is applied the short way where that is the same: every entry ends in the state that the general way gives."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from backstay.formats.raft import Entry, EntryType
from backstay.formats.requests import (
    Alarm,
    AlarmAction,
    DeleteRange,
    LeaseGrant,
    LeaseRevoke,
    Put,
    Request,
    decode_plain_put,
    decode_request,
    encode_request,
)
from backstay.formats.schema import AlarmType
from backstay.store.apply import apply_entry
from backstay.store.durable import open_store
from backstay.store.durable.replay import replay
from tests.storing import put
from tests.unit.store.building import empty, observable


def test_a_log_replayed_is_a_log_applied() -> None:
    chosen = random.Random(6)
    short, general = empty(), empty()
    entries = []
    for index in range(2, 1_500):
        key = b"k%d" % chosen.randrange(20)
        body = chosen.choice(
            (
                Put(key, b"v" * chosen.choice((0, 1, 130, 20_000))),
                Put(key, b"x"),
                Put(key, b"y", lease=chosen.choice((0, 7))),
                Put(key, ignore_value=True),
                DeleteRange(key),
                LeaseGrant(60, 7),
                LeaseRevoke(7),
                Alarm(AlarmAction.ACTIVATE if chosen.random() < 0.1 else AlarmAction.DEACTIVATE, 1, AlarmType.NOSPACE),
            )
        )
        user = "eve" if chosen.random() < 0.1 else ""
        entries.append(
            Entry(3, index, EntryType.NORMAL, encode_request(Request(body, chosen.getrandbits(60), user, 1)))
        )
    replay(short, entries, Path("log"))
    for entry in entries:
        apply_entry(general, entry)
    assert observable(short) == observable(general)
    assert (short.consistent_index, short.term, short.revision) == (1_499, 3, general.revision)


def test_only_a_put_that_says_nothing_else_is_plain() -> None:
    chosen = random.Random(7)
    for size in (0, 1, 127, 128, 300, 20_000, 3_000_000):
        data = encode_request(Request(Put(b"k" * (size % 1_000 + 1), b"v" * size), chosen.getrandbits(63)))
        assert decode_plain_put(data) == (b"k" * (size % 1_000 + 1), b"v" * size)
    for body in (Put(b"", b"v"), Put(b"k", b"v", lease=1), Put(b"k", prev_kv=True), DeleteRange(b"k")):
        assert decode_plain_put(encode_request(Request(body, 5))) is None
    assert decode_plain_put(encode_request(Request(Put(b"k", b"v"), 5, "eve", 1))) is None
    whole = encode_request(Request(Put(b"key", b"value"), 1 << 40))
    for _ in range(3_000):
        damaged = bytearray(whole[: chosen.randrange(len(whole) + 1)] + chosen.choice((b"", b"\x00", b"\x08\x01")))
        for _ in range(chosen.randrange(3)):
            if damaged:
                damaged[chosen.randrange(len(damaged))] = chosen.randrange(256)
        plain = decode_plain_put(bytes(damaged))
        if plain is not None:
            decoded = decode_request(bytes(damaged))
            assert decoded.body == Put(*plain) and not decoded.username


_CUT_THEN_READ = """
import os, sys
from pathlib import Path
from backstay.formats import wal
from backstay.store.durable.replay import read_segments

(segment,) = Path(sys.argv[1]).glob("*.wal")
used = len(segment.read_bytes().rstrip(bytes(1)))
read_log = wal.read_log

def rotated_meanwhile(segments, *, from_index):
    os.truncate(segment, used + -used % 8)
    return read_log(segments, from_index=from_index)

wal.read_log = rotated_meanwhile
print(read_segments(Path(sys.argv[1]), 0, is_in_use=True).last_index)
"""


def test_a_segment_that_is_closed_while_it_is_read_does_not_end_the_reader(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data")
    put(store, "a", "1")
    last = store.journal.last_index
    store.close()
    # In a process of its own: reading a mapping behind the end of its file ends it by a signal.
    command = [sys.executable, "-c", _CUT_THEN_READ, str(tmp_path / "data/member/wal")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, str(last)), done.stderr
