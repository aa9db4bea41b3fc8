"""What the serving process asks of its interpreter and its system before it begins."""

from __future__ import annotations

import resource
import sys

SWITCH_SECONDS = 0.0005
"""The longest that the store's thread waits for another one of Python's (5 ms by default): every call would wait as long."""


def prepare_process() -> None:
    """Switch threads soon, and have as many files open as the system lets us: a connection takes three of them."""
    sys.setswitchinterval(SWITCH_SECONDS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
