"""Many lives of clusters on every release and on the embedded store, backed up and asked again; tests/compat holds one of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import peers
from tests.compat import test_backed_up_history as history
from tests.conftest import StartEtcd
from tests.peers import Peer

MANY = 40


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("release", [*peers.VERSIONS, history.EMBEDDED])
def test_every_point_of_many_lives_answers_as_its_source_did(
    release: str,
    start_etcd: StartEtcd,
    start_backstay: StartEtcd,
    newest_peer: Peer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in range(2, MANY):
        place = tmp_path / str(seed)
        place.mkdir()
        if release == history.EMBEDDED:
            history.play(release, start_backstay, newest_peer, seed, place, capsys)
        else:
            history.play(release, start_etcd, peers.peer(release), seed, place, capsys)
