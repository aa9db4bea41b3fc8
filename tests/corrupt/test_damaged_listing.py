"""A damaged file is listed as far as it can be, or refused with its damage named: never a crash, never an endless walk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from backstay.errors import FormatError
from backstay.formats.bbolt import layout
from backstay.sources import Selection, open_source
from backstay.sources.objects import open_objects
from backstay.values import Revision
from tests import kubernetes_cases

ROUNDS = 60


@pytest.mark.parametrize("seed", range(3))
def test_turned_bytes_in_pages_are_damage_or_nothing(seed: int, tmp_path: Path) -> None:
    source = random.Random(seed)
    whole = kubernetes_cases.case("k1.37.2-cbor", tmp_path).snapshot.read_bytes()
    path = tmp_path / "damaged.db"
    for _ in range(ROUNDS):
        damaged = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            page = source.randrange(2, len(whole) // 4096)
            # Headers and element tables matter most.
            damaged[page * 4096 + source.randrange(64)] = source.randrange(256)
        path.write_bytes(damaged)
        for read in ("heads", "objects", "past"):
            try:
                with open_objects(open_source(str(path))) as objects:
                    sum(1 for _ in getattr(objects, read)())
            except FormatError:
                pass


def test_a_page_that_is_referenced_twice_is_damage(tmp_path: Path) -> None:
    whole = bytearray(kubernetes_cases.case("k1.37.2", tmp_path).snapshot.read_bytes())
    for start in range(8192, len(whole) - 4096, 4096):
        _, flags, count, _ = layout.PAGE_HEADER.unpack_from(whole, start)
        if flags == layout.FLAG_BRANCH and count > 4:
            first = layout.BRANCH_ELEMENT.unpack_from(whole, start + 16)
            second = layout.BRANCH_ELEMENT.unpack_from(whole, start + 32)
            layout.BRANCH_ELEMENT.pack_into(whole, start + 32, *second[:2], first[2])
    path = tmp_path / "twice.db"
    path.write_bytes(whole)
    with open_source(str(path)) as source, pytest.raises(FormatError, match="twice"):
        list(source.keys(Selection()))


def test_a_listing_stops_at_the_revision_that_is_asked_for(tmp_path: Path) -> None:
    case = kubernetes_cases.case("k1.37.2", tmp_path)
    with open_source(str(case.snapshot)) as source:
        for at in (2, 500, 1999):
            entries = list(source.keys(Selection(), Revision(at)))
            assert entries and max(entry.mod_revision for entry in entries) <= at
            assert len(entries) == len(list(source.items(Selection(), Revision(at))))
