"""The checker finds every bug that is planted in a store, and none in a store that has none."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from backstay.formats.requests import Message
from tests.linearizability.calls import FOREVER, Call, only_reads
from tests.linearizability.register import problem_of_key
from tests.linearizability.replay import Event, Replay
from tests.linearizability.requests_of_clients import EVERYTHING, KEYS, endless
from tests.linearizability.verdict import judge
from tests.linearizability.watched import Response, Watched, problems_of_watch

CLIENTS = 8
CALLS = 300
CRASH_AT = 150
LOST_ANSWERS = 8


class Machine:
    """A store in memory with one bug, or none, and clients that overlap: a call takes effect between its two times."""

    def __init__(self, seed: int, bug: str = "") -> None:
        self.bug = bug
        self.log: list[Message] = []
        self.calls: list[Call] = []
        self._store = Replay()
        self._chance = random.Random(seed)
        self._clients = [endless(number, self._chance) for number in range(CLIENTS)]
        self._free = [0.0] * CLIENTS

    def run(self) -> None:
        """The whole history; the crash comes between two effects and loses the answers that are under way."""
        for number in range(CALLS):
            client = self._chance.randrange(CLIENTS)
            effect = number + 1.0
            begun = max(self._free[client], effect - self._chance.uniform(0.0, 6.0))
            ended = effect + self._chance.uniform(0.0, 0.9) * self._chance.choice((1, 1, 6))
            self._free[client] = ended + 0.001
            request = next(self._clients[client])
            if begun >= effect:
                continue
            self._do(Call(client, request, begun, ended), answer_is_lost=CRASH_AT - LOST_ANSWERS < effect <= CRASH_AT)
            if number + 1 == CRASH_AT:
                self._crash()

    def _do(self, call: Call, *, answer_is_lost: bool) -> None:
        request = call.request
        if only_reads(request):
            answer = self._store.would_answer(request)
            if self.bug == "stale read" and len(self.calls) in (100, 110, 120, 130):
                old = Replay()
                for each in self.log[:-8]:
                    old.apply(each)
                answer = old.would_answer(request)
        else:
            answer = self._write(request)
        self.calls.append(replace(call, ended=FOREVER) if answer_is_lost else replace(call, answer=answer))

    def _write(self, request: Message) -> object:
        self.log.append(request)
        answer = self._store.apply(request)
        if self.bug == "double apply" and len(self.log) == 60:
            self.log.append(request)
            self._store.apply(request)
        return answer

    def _crash(self) -> None:
        """Everything is read from the log again, which lacks what was not written."""
        if self.bug == "lost write":
            del self.log[-LOST_ANSWERS - 5 :]
        self._store = Replay()
        for each in self.log:
            self._store.apply(each)


def machine(seed: int, bug: str = "") -> Machine:
    made = Machine(seed, bug)
    made.run()
    return made


@pytest.mark.parametrize("seed", range(6))
def test_a_correct_store_passes(seed: int) -> None:
    made = machine(seed)
    verdict = judge(made.calls, made.log)
    assert verdict.problems == []
    assert verdict.revision > 100
    assert any(call.is_unknown for call in made.calls), "the crash interrupted nobody"


@pytest.mark.parametrize("bug", ["lost write", "stale read", "double apply"])
@pytest.mark.parametrize("seed", range(4))
def test_a_planted_bug_is_found_in_the_log(bug: str, seed: int) -> None:
    made = machine(seed, bug)
    assert judge(made.calls, made.log).problems


@pytest.mark.parametrize("bug", ["lost write", "stale read"])
def test_a_planted_bug_is_found_without_log_and_revisions_too(bug: str) -> None:
    """In most histories: the search knows values only, and another write may hide what was lost."""
    found = 0
    for seed in range(8):
        answered = [call for call in machine(seed, bug).calls if not call.is_unknown]
        clean = [call for call in machine(seed).calls if not call.is_unknown]
        # Calls of unknown outcome are left out, so what they wrote must not be seen: only what none of them touched.
        found += any(problem_of_key(key, answered) and not problem_of_key(key, clean) for key in KEYS)
    assert found >= 2


def test_an_unknown_call_that_is_not_in_the_log_has_not_happened() -> None:
    made = machine(3)
    (number, call), *_ = [
        (number, each) for number, each in enumerate(made.calls) if each.is_unknown and each.request in made.log
    ]
    log = [each for each in made.log if each != call.request]
    changed = [*made.calls[:number], *made.calls[number + 1 :]]
    without = Replay()
    for each in log:
        without.apply(each)
    assert all(call.request != each.request for each in judge(changed, log).calls)
    assert call.request in {each.request for each in judge(made.calls, made.log).calls}


def watched(made: Machine, *, whole: bool = True) -> tuple[Watched, dict[int, list[Event]], int]:
    """What a correct watcher of the machine's store sees, with one broken connection in the middle."""
    replay = Replay()
    for each in made.log:
        replay.apply(each)
    seen = Watched(*EVERYTHING, 2, previous=True)
    for revision, events in sorted(replay.events.items()):
        connection = int(revision > 60)
        if chosen := seen.expected(events):
            seen.responses.append(Response(connection, revision, tuple(chosen)))
        if revision % 10 == 0:
            seen.responses.append(Response(connection, revision))
    return seen, replay.events, replay.revision


def test_a_correct_watch_passes() -> None:
    seen, events, revision = watched(machine(1))
    assert len(seen.responses) > 80
    assert problems_of_watch(seen, events, revision) == []


def _again(responses: list[Response]) -> None:
    responses.insert(31, responses[30])


def _again_after_reconnecting(responses: list[Response]) -> None:
    first = next(number for number, each in enumerate(responses) if each.connection)
    responses.insert(first, next(each for each in reversed(responses[:first]) if each.events)._replace(connection=1))


def _out_of_order(responses: list[Response]) -> None:
    responses[30], responses[31] = responses[31], responses[30]


def _lost(responses: list[Response]) -> None:
    del responses[30]


def _lost_at_the_end(responses: list[Response]) -> None:
    del responses[-6:]


def _whole(responses: list[Response], *, at_least: int = 2) -> int:
    return next(number for number, each in enumerate(responses) if len(each.events) >= at_least)


def _in_two_responses(responses: list[Response]) -> None:
    number = _whole(responses)
    response = responses[number]
    responses[number : number + 1] = [
        response._replace(events=response.events[:1]),
        response._replace(events=response.events[1:]),
    ]


def _out_of_order_inside(responses: list[Response]) -> None:
    number = _whole(responses)
    responses[number] = responses[number]._replace(events=responses[number].events[::-1])


def _progress_too_early(responses: list[Response]) -> None:
    number = next(number for number, each in enumerate(responses) if number > 10 and each.events)
    responses.insert(number, Response(0, responses[number].revision))


def _without_what_came_before(responses: list[Response]) -> None:
    number = next(n for n, each in enumerate(responses) if each.events and each.events[0][2] is not None)
    first, *others = responses[number].events
    responses[number] = responses[number]._replace(events=((first[0], first[1], None), *others))


@pytest.mark.parametrize(
    "spoil",
    [
        _again,
        _again_after_reconnecting,
        _out_of_order,
        _lost,
        _lost_at_the_end,
        _in_two_responses,
        _out_of_order_inside,
        _progress_too_early,
        _without_what_came_before,
    ],
    ids=lambda spoil: str(spoil.__name__).strip("_").replace("_", "-"),
)
def test_a_watch_that_breaks_its_word_is_found(spoil: Callable[[list[Response]], None]) -> None:
    seen, events, revision = watched(machine(1))
    spoil(seen.responses)
    assert problems_of_watch(seen, events, revision)
