"""Which exit status a failed command gives: tables for the commands that keep etcd's, and backstay's own.

`failure.py` looks a failure up here. etcd's numbers were read off etcdctl and etcdutl 3.5.1, 3.5.35, 3.6.16 and 3.7.3
(the same in all four): a wrong number of arguments or flags that contradict each other 128, but an unknown flag or a
value that does not parse 1; `-w` with an unsupported format 4; a certificate file that cannot be used 128 before a
connection; then the command's own failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from backstay.errors import ExitStatus


class Failure(Enum):
    """The kinds of failure that etcd's tools tell apart."""

    ARGUMENTS = "arguments"
    FLAGS = "flags"
    OUTPUT_FORMAT = "output_format"
    CREDENTIALS = "credentials"
    INTERRUPTED = "interrupted"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ExitStatuses:
    """One exit status for each `Failure` of a command that keeps etcd's."""

    arguments: int
    flags: int
    output_format: int
    credentials: int
    interrupted: int
    other: int

    def of(self, failure: Failure) -> int:
        """The exit status for `failure`."""
        status: int = getattr(self, failure.value)
        return status


def etcd_statuses(*, failure: int, bad_arguments: int = 128, interrupted: int | None = None) -> ExitStatuses:
    """etcd's table; only the own failure, the number of arguments and the interruption differ between its commands."""
    return ExitStatuses(
        arguments=bad_arguments,
        flags=1,
        output_format=4,
        credentials=128,
        interrupted=ExitStatus.INTERRUPTED if interrupted is None else interrupted,
        other=failure,
    )


BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports for a program whose reader went away, as in `backstay keys ... | head`."""
