"""Whether the result of a command is coloured: on a terminal, unless NO_COLOR or a dumb terminal says otherwise."""

from __future__ import annotations

import sys

from backstay.cli import invocation


def wants_colours() -> bool:
    """True where standard output is a terminal that shows colours."""
    environment = invocation.current().environment
    return sys.stdout.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
