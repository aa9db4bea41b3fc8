"""Is there an order of the calls on one key that explains every answer? Wing and Gong's search, with Lowe's memory.

A call may take effect at any moment between its beginning and its end. The search takes one call after the other that could
be the next (it began before any call that is still to come had ended), and gives a way up when the answer does not fit the
value, or when it has been at this value with these calls done before. Nothing here trusts a revision or a log.

    state   the value of the key, None when it does not exist
    step    ("is", value) an answer said so    ("is not", value)    ("becomes", value)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backstay.formats import requests
from backstay.formats.requests import Message
from tests.linearizability.calls import Call
from tests.linearizability.replay import is_within

Value = bytes | None
Step = tuple[str, Value]


class Operation(NamedTuple):
    """A call as one key sees it."""

    begun: float
    ended: float
    steps: tuple[Step, ...]
    call: Call


def problem_of_key(key: bytes, calls: Iterable[Call]) -> str | None:
    """Why the settled `calls` cannot have happened as far as `key` is concerned, None if they can."""
    operations = sorted(
        (Operation(each.begun, each.ended, steps, each) for each in calls if (steps := tuple(steps_of(key, each)))),
        key=lambda each: each.begun,
    )
    stuck = _search(operations)
    if stuck is None:
        return None
    lines = "\n  ".join(str(each.call) for each in stuck)
    return f"no order of the calls on {key!r} explains their answers; none of these can come next:\n  {lines}"


def _search(operations: Sequence[Operation]) -> Sequence[Operation] | None:
    """None if there is an order; else the calls among which the longest attempt found no next one."""
    everything = (1 << len(operations)) - 1
    stack: list[tuple[int, Value]] = [(0, None)]
    seen = set(stack)
    furthest, stuck = -1, list[Operation]()
    while stack:
        done, value = stack.pop()
        if done == everything:
            return None
        candidates = list(_candidates(operations, done))
        if (count := done.bit_count()) > furthest:
            furthest, stuck = count, [operations[each] for each in candidates]
        for each in candidates:
            follows, after = _take(operations[each].steps, value)
            state = (done | 1 << each, after)
            if follows and state not in seen:
                seen.add(state)
                stack.append(state)
    return stuck


def _candidates(operations: Sequence[Operation], done: int) -> Iterator[int]:
    """The calls that can be next: begun before every other that is not done had ended."""
    waiting, deadline = [], float("inf")
    for number in range((~done & (done + 1)).bit_length() - 1, len(operations)):
        if operations[number].begun > deadline:
            break
        if not done >> number & 1:
            waiting.append(number)
            deadline = min(deadline, operations[number].ended)
    return (number for number in waiting if operations[number].begun <= deadline)


def _take(steps: Iterable[Step], value: Value) -> tuple[bool, Value]:
    for kind, given in steps:
        if kind == "becomes":
            value = given
        elif (value == given) is not (kind == "is"):
            return False, value
    return True, value


def steps_of(key: bytes, call: Call) -> Iterator[Step]:
    """What an answered call did with `key` and said about it."""
    if isinstance(call.answer, tuple):
        yield from _steps(key, call.request, call.answer[1])


def _steps(key: bytes, request: Message, answer: object) -> Iterator[Step]:
    if isinstance(request, requests.Txn):
        succeeded, parts = answer  # type: ignore[misc]
        if len(request.compare) == 1 or succeeded:
            yield from _compared(key, request.compare, succeeded)
        operations = request.success if succeeded else request.failure
        for operation, (_, part) in zip(operations, parts, strict=True):
            body = operation.range or operation.put or operation.delete_range
            assert body is not None
            yield from _steps(key, body, part)
    elif isinstance(request, requests.Put):
        if request.key == key:
            if request.prev_kv:
                yield "is", None if answer is None else answer[4]  # type: ignore[index]
            yield "becomes", request.value
    elif isinstance(request, requests.Range | requests.DeleteRange) and is_within(key, request.key, request.range_end):
        if isinstance(request, requests.Range):
            items = answer[0]  # type: ignore[index]
            yield "is", next((item[4] for item in items if item[0] == key), None)
        else:
            count, items = answer  # type: ignore[misc]
            if request.prev_kv:
                yield "is", next((item[4] for item in items if item[0] == key), None)
            elif not count:
                yield "is", None
            yield "becomes", None


def _compared(key: bytes, compares: Sequence[requests.Compare], succeeded: bool) -> Iterator[Step]:
    for compare in compares:
        if compare.key == key and compare.value is not None:
            yield "is" if succeeded else "is not", compare.value
        elif compare.key == key and compare.create_revision == 0:
            yield "is" if succeeded else "is not", None
