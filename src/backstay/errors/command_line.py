"""Errors about the command line itself."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

USAGE = declare(
    "usage",
    ExitStatus.USAGE,
    Side.YOU,
    "The arguments do not fit together.",
    "see `--help` of the command",
)
CODE_UNKNOWN = declare(
    "code-unknown",
    ExitStatus.USAGE,
    Side.YOU,
    "No error or finding has this code.",
    "`backstay explain` without a code lists them all",
)
INTERRUPTED = declare(
    "interrupted",
    ExitStatus.INTERRUPTED,
    Side.YOU,
    "The command was interrupted; nothing was left behind.",
    "run it again",
)
UNEXPECTED = declare(
    "unexpected",
    ExitStatus.ERROR,
    Side.BACKSTAY,
    "A defect in backstay: something happened that its authors did not foresee.",
    "report it with the text of the error; `--log-format json` prints the traceback",
)
