"""The newest backup: is there one, how old is it, is it whole?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

OLD = timedelta(hours=26)
"""A daily backup, two hours late."""

NO_BACKUP = findings.declare(
    "no-backup",
    Severity.WARNING,
    "No snapshot was found on this host; without one, lost data stays lost.",
    "save one now: `backstay snapshot save /backup/`; say where yours are with --backups",
)
BACKUP_OLD = findings.declare(
    "backup-old",
    Severity.WARNING,
    "The newest backup is more than a day old: what was written since would be lost.",
    "save one now, and look why the schedule stopped",
)
BACKUP_INVALID = findings.declare(
    "backup-invalid",
    Severity.ERROR,
    "The newest backup would not restore.",
    "save another one now; `backstay snapshot verify FILE` lists what is wrong",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Over all directories together: the newest file, and the newest that looks whole."""
    if facts.installation is None:
        return
    files = sorted((each for backups in facts.backups for each in backups.files), key=lambda each: each.modified)
    if not files:
        yield NO_BACKUP.at("this host", "none in the usual directories")
        return
    newest = files[-1]
    if newest.problem:
        yield BACKUP_INVALID.at(str(newest.path), newest.problem)
    whole = [each for each in files if not each.problem]
    if whole and facts.now - whole[-1].modified > OLD:
        age = facts.now - whole[-1].modified
        yield BACKUP_OLD.at(str(whole[-1].path), f"{age.days} days and {age.seconds // 3600} hours old")


CHECK = Check("backups", "age and state of the newest backup", examine)
