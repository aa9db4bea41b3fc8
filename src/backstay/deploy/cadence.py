"""How often cron looks whether a run is due: as seldom as the RPO allows, because every look is a pod.

`run --once` decides by itself whether it is time, so looking often is never wrong. Looking seldom is, when the look after the
due time comes later than the schedule allows (`policy.schedule.LATENESS`).
"""

from __future__ import annotations

from datetime import timedelta

from backstay.policy.schedule import LATENESS

_MINUTE = timedelta(minutes=1)
_GENEROUS_RPO = timedelta(hours=4)
_OF_AN_HOUR = (10, 6, 5, 4, 3, 2, 1)
"""Minutes that divide an hour, so that looks are evenly apart. Ten at most: a run that failed is tried again."""


def minutes_between_looks(interval: timedelta, rpo: timedelta) -> int:
    """The most minutes between looks with one between `interval` after a run and `LATENESS` later.

    Below an RPO of some hours a minute: there the interval shrinks noticeably with runs that take longer than usual.
    """
    if rpo < _GENEROUS_RPO:
        return 1
    for minutes in _OF_AN_HOUR:
        step = minutes * _MINUTE
        if -(-interval // step) * step <= interval + LATENESS:
            return minutes
    return 1


def cron_text(minutes: int) -> str:
    """The five fields of cron."""
    return "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"


def calendar_text(minutes: int) -> str:
    """The same for systemd."""
    return "*-*-* *:*:00" if minutes == 1 else f"*-*-* *:0/{minutes}:00"
