"""Every golden snapshot on every release, one member and three, with and without bump: the full product.

`tests/compat/test_restore_on_real_etcd.py` runs a covering set of it in CI.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import golden
from tests.compat import test_restore_on_real_etcd as compat
from tests.conftest import StartEtcd
from tests.peers import Peer

CHANGES = [pytest.param(compat.KEPT, id="kept"), pytest.param(compat.BUMPED, id="bumped")]

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("source", golden.VERSIONS)
@pytest.mark.parametrize("changes", CHANGES)
def test_every_snapshot_runs_on_every_release(
    etcd_peer: Peer, source: str, changes: compat.Changes, tmp_path: Path, start_etcd: StartEtcd
) -> None:
    compat.test_a_restored_member_serves_everything_and_answers_the_predicted_hash(
        etcd_peer.version, source, changes, tmp_path, start_etcd
    )


@pytest.mark.parametrize("source", golden.VERSIONS)
@pytest.mark.parametrize("changes", CHANGES)
def test_every_snapshot_runs_on_three_members_of_every_release(
    etcd_peer: Peer, source: str, changes: compat.Changes, tmp_path: Path
) -> None:
    compat.test_three_restored_members_form_a_cluster(etcd_peer.version, source, changes, tmp_path)
