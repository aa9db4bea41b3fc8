"""What one run of the command line carries from its start to its end: the environment, and which command runs.

`main.run` makes it and gives it to click as the context's object; commands ask `current()`. This is the only way by
which the environment reaches a command, so that tests decide what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import click


@dataclass(slots=True)
class Invocation:
    """One run. `command` is the innermost command that was recognised, for the exit status of a failure."""

    environment: Mapping[str, str] = field(default_factory=dict)
    command: click.Command | None = None


def current() -> Invocation:
    """The invocation of the running command; an empty one where a test calls a command directly."""
    found = click.get_current_context().find_object(Invocation)
    return found if found is not None else Invocation()
