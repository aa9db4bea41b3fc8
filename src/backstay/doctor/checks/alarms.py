"""Alarms that are raised, live or in the file."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, FindingKind, Severity
from backstay.formats.schema import AlarmType
from backstay.values import hex_id

ALARM_NOSPACE = findings.declare(
    "alarm-nospace",
    Severity.ERROR,
    "The NOSPACE alarm is raised: etcd refuses writes. It stays raised after space was freed, until it is disarmed.",
    "`backstay doctor --fix` compacts, defragments and disarms, in this order",
)
ALARM_CORRUPT = findings.declare(
    "alarm-corrupt",
    Severity.ERROR,
    "The CORRUPT alarm is raised: members hold different data, and etcd refuses writes.",
    "save a snapshot of every member, find the odd one out by HashKV, remove it and add it anew with an empty directory",
)
ALARM_UNKNOWN = findings.declare(
    "alarm-unknown",
    Severity.WARNING,
    "An alarm of a kind that this release of backstay does not know is raised.",
    "look it up in the notes of the etcd release that raised it",
)

_KINDS: dict[int, FindingKind] = {AlarmType.NOSPACE: ALARM_NOSPACE, AlarmType.CORRUPT: ALARM_CORRUPT}


def examine(facts: Facts) -> Iterator[Finding]:
    """Each alarm once, whoever told of it."""
    raised: dict[tuple[int, int], str] = {}
    if facts.live is not None:
        for health in facts.live.healths:
            for alarm in health.alarms:
                raised.setdefault((int(alarm.alarm), alarm.member_id), f"told by {health.endpoint}")
    if facts.stored is not None and facts.stored.inspection is not None:
        for stored in facts.stored.inspection.contents.alarms:
            raised.setdefault((stored.kind, stored.member_id), f"stored in {facts.stored.path}")
    for (kind, member), origin in raised.items():
        yield _KINDS.get(kind, ALARM_UNKNOWN).at(f"member {hex_id(member)}", origin)


CHECK = Check("alarms", "raised alarms", examine)
