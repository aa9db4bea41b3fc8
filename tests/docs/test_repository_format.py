"""The page about the repository's format says what the code says: its vectors are the tests', its tests are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.crypto import test_sealing, test_signing, test_slots

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "formats" / "repository.md").read_text(encoding="utf-8")


def test_the_vectors_of_the_page_are_those_that_the_tests_hold() -> None:
    compact = re.sub(r"\s+", "", PAGE)
    assert test_sealing.SEALED in compact
    for line in test_signing.DOCUMENT.decode().splitlines():
        assert line in PAGE
    for text in (test_slots.SECRET, test_slots.PUBLIC):
        assert text in PAGE
