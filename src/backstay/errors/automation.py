"""Errors about runs that start by themselves."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

RUN_AT_WORK = declare(
    "run-at-work",
    ExitStatus.TRANSIENT,
    Side.YOU,
    "Another run of this cluster is at work on this host; two at once would read the cluster twice for nothing.",
    "wait for it; if it never ends, `backstay status` says since when nothing arrived, and where",
    retryable=True,
)
COPY_LATE = declare(
    "copy-late",
    ExitStatus.STORAGE,
    Side.STORAGE,
    "A copy took so long that the next run would have been late, so this run went on without it.",
    "find out what makes the storage or the way to it slow; the next run tries again",
    retryable=True,
)
METRICS_UNSENT = declare(
    "metrics-unsent",
    ExitStatus.WARNINGS,
    Side.YOU,
    "The metrics of a run could not be written or pushed; the run itself is not touched by that.",
    "check the directory of --metrics-file and the address of --push-to",
    retryable=True,
)
