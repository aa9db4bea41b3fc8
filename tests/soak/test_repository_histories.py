"""Thousands of random histories, backed up at random moments and given back; tests/model holds a sample of them in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.test_repository_histories import HISTORIES, test_every_point_gives_back_what_the_cluster_held

MANY = 5_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_point_of_thousands_of_histories_comes_back(tmp_path: Path) -> None:
    for seed in range(HISTORIES, MANY):
        test_every_point_gives_back_what_the_cluster_held(seed, tmp_path)
