"""How loud a command is, and the lines it says beside its result.

`options.reporting_options` makes a `Reporting` and gives it to the body of a command. Everything here goes to stderr:
stdout belongs to results. Errors do not pass here, `failure.py` renders them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

import click

from backstay.telemetry.progress import Progress


class LogFormat(Enum):
    """How messages on stderr are written."""

    TEXT = "text"
    JSON = "json"


class ProgressMode(Enum):
    """When progress is drawn; `auto` is on a terminal."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Reporting:
    """What --quiet, --log-format and --progress said. `json_phases` is true with `-o json`."""

    quiet: bool = False
    log_format: LogFormat = LogFormat.TEXT
    progress: ProgressMode = ProgressMode.AUTO
    json_phases: bool = False

    def note(self, message: str, **fields: object) -> None:
        """Say something that helps but is not the result; `fields` are for machines and only in the JSON form."""
        self._say("info", message, fields)

    def warn(self, message: str, **fields: object) -> None:
        """Say something that the user should act on."""
        self._say("warning", message, fields)

    def watch(self) -> Progress:
        """The progress to hand to domain code."""
        from backstay.cli.render.progress import progress_for

        return progress_for(self)

    def _say(self, level: str, message: str, fields: dict[str, object]) -> None:
        if self.quiet:
            return
        if self.log_format is LogFormat.JSON:
            line = json.dumps({"level": level, "message": message, **fields}, ensure_ascii=False, default=str)
        else:
            line = message if level == "info" else f"{level}: {message}"
        click.echo(line, err=True)
