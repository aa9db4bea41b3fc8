"""Thousands of random histories, backed up at random moments and given back; tests/model holds a sample of them in CI."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model import test_repository_histories as histories

MANY = 5_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_point_of_thousands_of_histories_comes_back(tmp_path: Path) -> None:
    for seed in range(histories.HISTORIES, MANY):
        histories.test_every_point_gives_back_what_the_cluster_held(seed, tmp_path)
