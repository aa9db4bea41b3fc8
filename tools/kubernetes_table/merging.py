"""Many releases in one table: field numbers are never used twice, so what a release lacks is only noted, not lost.

since      the first release that has a field, where that is later than its message's
until      the last one, where the message went on without it
was        flags of older releases, each up to and including `until`
"""

from __future__ import annotations

import itertools
from typing import Any

from tools.kubernetes_table.modules import Fields

_FLAGS = ("pointer", "omitempty", "omitzero", "inline", "repeated")


def merge(releases: dict[str, Fields]) -> dict[str, Any]:
    """The facts of all releases, given oldest first, in the form of `facts`."""
    names = list(releases)
    oldest, newest = names[0], names[-1]
    seen: dict[str, list[str]] = {}
    for release, messages in releases.items():
        for message in messages:
            seen.setdefault(message, []).append(release)
    merged = {message: _fields(message, own, releases) for message, own in seen.items()}
    return {
        "messages": merged,
        "messageSince": {message: own[0] for message, own in seen.items() if own[0] != oldest},
        "messageUntil": {message: own[-1] for message, own in seen.items() if own[-1] != newest},
    }


def _fields(message: str, own: list[str], releases: dict[str, Fields]) -> list[dict[str, Any]]:
    lives: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for release in own:
        for field in releases[release][message]:
            lives.setdefault(field["number"], []).append((release, field))
    return [_field(lives[number], own) for number in sorted(lives)]


def _field(life: list[tuple[str, dict[str, Any]]], own: list[str]) -> dict[str, Any]:
    newest = dict(life[-1][1])
    was: list[dict[str, Any]] = []
    for (release, older), (_, younger) in itertools.pairwise(life):
        if any(bool(older.get(flag)) != bool(younger.get(flag)) for flag in _FLAGS):
            # All flags that are not those of the newest form, so that an entry needs no other.
            was.append({"until": release, **_unlike(older, life[-1][1])})
    if life[0][0] != own[0]:
        newest["since"] = life[0][0]
    if life[-1][0] != own[-1]:
        newest["removed"], newest["until"] = True, life[-1][0]
    if was:
        newest["was"] = was
    return newest


def _unlike(older: dict[str, Any], newest: dict[str, Any]) -> dict[str, bool]:
    return {flag: bool(older.get(flag)) for flag in _FLAGS if bool(older.get(flag)) != bool(newest.get(flag))}
