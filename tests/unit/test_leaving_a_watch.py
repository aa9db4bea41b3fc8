"""Ctrl-C ends a watch also where the exception it raises is lost in a destructor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from backstay.cli.ctl.interruptions import leaving_for_sure
from backstay.errors import ExitStatus

LOST = """
import os, signal, time
from backstay.cli.ctl.interruptions import leaving_for_sure

class Ending:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

with leaving_for_sure(0.1):
    Ending()
    print("goes on", flush=True)
    while True:
        time.sleep(0.01)
"""


def test_an_interruption_that_is_lost_in_a_destructor_ends_the_process_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "goes on\n", done.stderr
    assert done.returncode == ExitStatus.INTERRUPTED


def test_one_that_arrives_ends_the_block_and_nothing_else() -> None:
    before = signal.getsignal(signal.SIGINT)
    with suppress(KeyboardInterrupt), leaving_for_sure(0.05):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    assert signal.getsignal(signal.SIGINT) is before
