"""The drill of a maintainer: a real etcd is started on a restored point, where this machine has one."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from backstay.cli.repository.opened import Access
from backstay.clock import SystemClock
from backstay.cluster.etcd_program import find_etcd
from backstay.durable import LocalDisk
from backstay.jobs.automation.repository_copy import Tools
from backstay.jobs.points.drill import drill_point
from backstay.jobs.points.verify import Drill


def drill_with(etcd: Path | None, access: Access, tools: Tools) -> Drill | None:
    """How points are drilled; None where no etcd was named or found. Raises `ETCD_PROGRAM_MISSING` for a named one."""
    program = find_etcd(etcd, access.environment.get("PATH", ""))
    if program is None:
        return None
    return functools.partial(
        drill_point, program=program, scratch=tools.spill, user="", password="", disk=LocalDisk(),
        clock=SystemClock(), entropy=os.urandom, progress=tools.progress,
    )  # fmt: skip
