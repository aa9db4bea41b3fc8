"""Log lines with fields: `log.info("closed", extra=fields(name="a"))`. The program that runs decides how they look."""

from __future__ import annotations

from collections.abc import Mapping

FIELDS = "fields"
"""The attribute of a log record that holds its fields."""


def fields(**values: object) -> Mapping[str, object]:
    """The `extra` of a log call; an underscore in a name is written as a dash."""
    return {FIELDS: {name.replace("_", "-"): value for name, value in values.items()}}
