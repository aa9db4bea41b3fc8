"""Many more and longer histories of backups, marks, merges and sweeps than the usual run has time for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.model.test_maintained_histories import HISTORIES, maintained_history

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("seed", range(HISTORIES, HISTORIES + 300))
def test_every_point_that_stays_gives_back_what_the_cluster_held(seed: int, tmp_path: Path) -> None:
    maintained_history(seed, tmp_path, random.Random(seed).randrange(10, 40))
