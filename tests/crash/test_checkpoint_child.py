"""The process that builds a checkpoint does not outlive the store: the next one on the directory would meet it there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_child_ends_with_whoever_wanted_the_base(tmp_path: Path) -> None:
    snap = tmp_path / "member" / "snap"
    snap.mkdir(parents=True)
    os.mkfifo(snap / "db")  # opening it takes for ever
    command = [
        sys.executable,
        "-m",
        "backstay.store.durable.checkpoint_child",
        str(snap.parent),
        "1",
        str(snap / "new"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.poll() is None
        assert child.stdin is not None
        child.stdin.close()  # what the death of the parent does
        assert child.wait(timeout=30) == 1
    assert [path.name for path in snap.iterdir()] == ["db"]
