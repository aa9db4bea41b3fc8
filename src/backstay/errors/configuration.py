"""Errors about the file backstay.toml."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

CONFIGURATION_INVALID = declare(
    "configuration-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "The configuration has mistakes; all of them are named, and nothing of the file was used.",
    "correct the lines; `backstay config check FILE` reads it again",
)
CONFIGURATION_NOT_FOUND = declare(
    "configuration-not-found",
    ExitStatus.USAGE,
    Side.YOU,
    "There is no configuration where one was named, or in any of the usual places.",
    "write one after docs/reference/configuration.md, and name it with --config or BACKSTAY_CONFIG",
)
