"""A recovery that dies as soon as a line of its journal is on disk; `test_recover_killed` runs this as a program.

    python -m tests.crash.recover_then_die ROOT SNAPSHOT ETCD VERSION LINE

Lines are counted from 1, the plan. The process ends as `kill -9` ends one: nothing is cleaned up.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backstay.cluster.etcd_program import EtcdProgram
from backstay.cluster.host import LocalHost
from backstay.jobs.recover import RecoverOptions
from tests.faulty_disk import DEAD
from tests.recovering import plan_on, recovery_on


def main(root: str, snapshot: str, etcd: str, version: str, line: str) -> None:
    """Recover, and die."""
    host = LocalHost(Path(root))
    written = 0

    def die_in_time(kind: str, step: str) -> None:
        nonlocal written
        written += 1
        if written == int(line):
            os._exit(DEAD)

    options = RecoverOptions(Path(snapshot), program=EtcdProgram(Path(etcd), version))
    recovery_on(host, die_in_time).begin(plan_on(host, options))


if __name__ == "__main__":
    main(*sys.argv[1:])
