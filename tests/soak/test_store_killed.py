"""Hundreds of kills of a store that writes, on one directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.test_store_killed import kill_again_and_again


@pytest.mark.soak
def test_no_acknowledged_write_is_lost_by_hundreds_of_kills(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path / "data", kills=400, seed=2)
