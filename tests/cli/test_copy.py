"""`backstay copy`: what a copy may be behind, and that it restores."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backing_up import Cluster
from tests.cli.test_repository import Desk


def test_a_copy_is_made_kept_up_and_read_like_the_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk, cluster = Desk(tmp_path, capsys), Cluster()
    desk.found()
    cluster.put(b"a", b"1")
    desk.back_up(cluster)
    target = tmp_path / "copy"
    target.mkdir()
    assert desk.json("copy", desk.place, target, "--dry-run")["changed"] is False
    assert not any(target.iterdir())
    assert desk.json("copy", desk.place, target)["new_points"] == 1
    assert desk.json("copy", desk.place, target)["objects"] == 0
    restored = tmp_path / "restored.db"
    assert desk.json("restore", target, "--to", restored, "-i", desk.kit)["revision"] == 2
    cluster.put(b"a", b"2")
    desk.back_up(cluster)
    # The copy is behind what this host has seen of the repository, and that is no attack on the copy.
    assert [each["sequence"] for each in desk.json("list", target)] == [1]
    assert desk.json("copy", desk.place, target)["new_points"] == 1
