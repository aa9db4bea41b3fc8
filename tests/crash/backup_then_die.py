"""Backups that die at a durable step of a directory store, one child process for each; `test_backup_killed` runs this.

    python -m tests.crash.backup_then_die PLACE STEPS

PLACE/start is a repository with one point. Children are forked, which nothing here forbids: gRPC is not loaded in this
program, and no thread runs in the parent.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from backstay.blobs.local import LocalStore
from backstay.repository.memory import encode_memory
from tests.backing_up import Cluster, Place
from tests.faulty_disk import DyingDisk


def beginning(directory: Path) -> tuple[Place, Cluster]:
    """A repository with one point in `directory`, and the cluster as it is a little later."""
    directory.mkdir()
    place, cluster = Place(LocalStore(directory), seed=4), Cluster()
    cluster.put(b"a", b"1")
    place.back_up(cluster)
    cluster.put(b"a", b"2")
    cluster.put(b"b", b"3")
    return place, cluster


def main(directory: str, steps: str) -> None:
    """Let one child die at each of the steps, before it and after it."""
    place, cluster = beginning(Path(directory) / "start")
    assert place.memory is not None
    (Path(directory) / "memory").write_bytes(encode_memory(place.memory))  # slots differ from run to run
    for step in range(1, int(steps) + 1):
        for when in ("before", "after"):
            own = Path(directory) / f"{step}-{when}"
            shutil.copytree(Path(directory) / "start", own)
            child = os.fork()
            if child == 0:
                try:
                    place.commit(cluster, store=LocalStore(own, DyingDisk(step, after=when == "after")))
                finally:
                    os._exit(0)  # only who does not die comes here
            _, status = os.waitpid(child, 0)
            sys.stdout.write(f"{own.name} {os.waitstatus_to_exitcode(status)}\n")
            sys.stdout.flush()  # or the next child would say it too


if __name__ == "__main__":
    main(*sys.argv[1:])
