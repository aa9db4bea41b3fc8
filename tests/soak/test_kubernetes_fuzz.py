"""Hostile values for everything above the decoder of Kubernetes objects: ten minutes of them, from new seeds every day."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

SECONDS = 600


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 120)
def test_nothing_that_a_store_may_hold_breaks_what_shows_it() -> None:
    seed = datetime.now(UTC).toordinal() * 1000
    ended = subprocess.run(
        [sys.executable, "-m", "tests.kubernetes_fuzz", "--seconds", str(SECONDS), "--seed", str(seed)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-6000:]
