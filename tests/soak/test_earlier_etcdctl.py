"""Earlier releases of etcdctl replay the whole script too: see the test in compat for the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import peers
from tests.compat.etcdctl_script import STEPS
from tests.compat.test_etcdctl_against_backstay import RELEASES, compare

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("release", RELEASES[:-1])
def test_etcdctl_cannot_tell_backstay_from_etcd(release: str, tmp_path: Path) -> None:
    compare(peers.peer(release), STEPS, tmp_path, None)
