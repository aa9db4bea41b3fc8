"""Judging a history by the log and by etcd's revisions, which say in what order everything happened.

    settle     a call of unknown outcome happened if it is in the log, and never otherwise
    judge      every answer is what the log says at that place; nothing acknowledged is missing, nothing is there twice;
               no call saw less than another that had ended before it began

The log gives the order, so this needs no search and covers transactions over many keys; `register` searches without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backstay.formats import requests
from backstay.formats.raft import EntryType
from backstay.formats.requests import Message, decode_request
from backstay.formats.wal import Segment, parse_segment_name, read_log
from tests.linearizability.calls import Call, only_reads
from tests.linearizability.register import problem_of_key
from tests.linearizability.replay import Event, Replay

JUDGED = (requests.Put, requests.DeleteRange, requests.Txn, requests.LeaseGrant, requests.LeaseRevoke)


def logged_requests(data: Path) -> list[Message]:
    """What the log of a data directory asks for, from its first entry on. No checkpoint may have shortened it."""
    place = data / "member" / "wal"
    names = sorted(each.name for each in place.iterdir() if parse_segment_name(each.name) is not None)
    log = read_log(Segment(name, (place / name).read_bytes()) for name in names)
    assert log.entries and log.entries[0].index == 1, "the log does not reach back to the beginning"
    bodies = [decode_request(each.data).body for each in log.entries if each.kind is EntryType.NORMAL and each.data]
    return [body for body in bodies if isinstance(body, JUDGED)]


@dataclass(slots=True)
class Verdict:
    """What was found: `problems` is empty for a history that a correct store may have given."""

    problems: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    """All that happened, each with its answer."""
    events: dict[int, list[Event]] = field(default_factory=dict)
    """What watchers must see, by revision."""
    revision: int = 1


@dataclass(slots=True)
class _Placed:
    """A call and where it may stand: behind entry `first` at the earliest, `last` at the latest."""

    call: Call
    first: int
    last: int
    is_entry: bool


def judge(calls: Sequence[Call], log: Sequence[Message]) -> Verdict:
    """Judge a history against the log it left, then each key for itself without the log."""
    verdict = Verdict()
    placed = _place(calls, log, verdict)
    verdict.problems += _real_time(placed)
    verdict.calls = [each.call for each in placed]
    for key in sorted({event[1][0] for events in verdict.events.values() for event in events}, key=repr):
        assert isinstance(key, bytes)
        if problem := problem_of_key(key, verdict.calls):
            verdict.problems.append(problem)
    return verdict


def _place(calls: Sequence[Call], log: Sequence[Message], verdict: Verdict) -> list[_Placed]:
    wanted = {each.request: each for each in calls if not only_reads(each.request)}
    unlogged: dict[int, list[Call]] = {}
    logged = set(log)
    for call in calls:
        if call.request not in logged and isinstance(call.answer, tuple):
            unlogged.setdefault(call.answer[0], []).append(call)
    replay, placed, seen = Replay(), list[_Placed](), set[Message]()
    starts: dict[int, int] = {}  # revision -> the entry that made it
    answers = {}

    def look(revision: int) -> None:
        for each in unlogged.pop(revision, ()):
            answers[each] = replay.would_answer(each.request)

    starts[1] = 0
    look(1)
    for number, request in enumerate(log, 1):
        if request in seen:
            verdict.problems.append(f"entry {number} is in the log for the second time: {request}")
        seen.add(request)
        heard = replay.apply(request)
        if replay.revision not in starts:
            starts[replay.revision] = number
            look(replay.revision)
        call = wanted.get(request)
        if call is None:
            if not isinstance(request, requests.LeaseRevoke):  # the store itself ends leases
                verdict.problems.append(f"entry {number} of the log was asked for by nobody: {request}")
            continue
        if call.is_unknown:
            call = replace(call, answer=heard)
        if call.answer != heard:
            verdict.problems.append(f"the log says {heard}: {call}")
        placed.append(_Placed(call, number, number, is_entry=True))
    ends = {revision: starts.get(revision + 1, len(log) + 1) - 1 for revision in starts}
    for call, expected in answers.items():
        assert isinstance(call.answer, tuple)
        revision = call.answer[0]
        placed.append(_Placed(call, starts[revision], ends[revision], is_entry=False))
        if expected is None:
            verdict.problems.append(f"acknowledged, and not in the log: {call}")
        elif expected != call.answer:
            verdict.problems.append(f"at revision {revision} it is {expected}: {call}")
    for lost in unlogged.values():
        verdict.problems += (f"answered with a revision that the log does not reach: {each}" for each in lost)
    verdict.events, verdict.revision = replay.events, replay.revision
    return placed


def _real_time(placed: Iterable[_Placed]) -> list[str]:
    """Each call takes the earliest place that those before it leave; it is a problem if that is too late for it."""
    problems = []
    order = sorted(placed, key=lambda each: each.call.begun)
    ending = sorted(order, key=lambda each: each.call.ended)
    chosen: dict[int, int] = {}
    floor, position, last = 0, 0, None
    for each in order:
        while ending[position].call.ended < each.call.begun:
            before = ending[position]
            if chosen[id(before)] > floor:
                floor, last = chosen[id(before)], before
            position += 1
        chosen[id(each)] = max(each.first, floor)
        if chosen[id(each)] > each.last or (each.is_entry and each.first <= floor):
            problems.append(
                f"it is of before another that had ended when it began:\n  {each.call}\n  {last and last.call}"
            )
    return problems
