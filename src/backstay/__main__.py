"""The process around the command line: `backstay` and `python -m backstay` start here.

It prepares what must be true before anything else is imported, turns signals into exceptions so that every `with` and
`finally` below cleans up, and hands the arguments to `cli.main.run`, which decides the exit status.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """Somebody asked this process to end; treated everywhere as Ctrl-C is."""


def kubectl_plugin() -> int:
    """Run `kubectl backstay ...`, for which kubectl looks for a program `kubectl-backstay`: what `backstay kube ...` is."""
    return main(("kube",))


def main(before: Sequence[str] = ()) -> int:
    """Run the command line of this process, with `before` in front of it, and return its exit status."""
    # gRPC's fork handlers cost a thread and can deadlock; it reads this once, when it is imported.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What the parent chose to ignore stays ignored: that is how nohup works.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)
    from backstay.cli.main import run

    status = run([*before, *sys.argv[1:]])
    if "grpc" in sys.modules:
        _leave(status)
    return status


def _leave(status: int) -> NoReturn:
    """End the process at once: everything was closed and flushed, and the destructor of a gRPC channel has been seen to
    wait for ever at the end of a process. Why is not known.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
