"""Reading ahead: in order, no more at once than was said, errors at their turn, and nothing left running."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from backstay.blobs.ahead import ahead


class Counting:
    """Calls that wait for each other, so that as many run at once as there may."""

    def __init__(self, together: int) -> None:
        self.begun, self.running, self.most = 0, 0, 0
        self._lock = threading.Lock()
        self._gate = threading.Barrier(together)

    def call(self, number: int, fails: int = -1) -> int:
        with self._lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self._gate.wait(timeout=10)
        with self._lock:
            self.running -= 1
        if number == fails:
            raise ValueError(number)
        return number


def test_results_come_in_order_while_as_many_run_at_once_as_were_said() -> None:
    counting = Counting(4)
    assert [each() for each in ahead((partial(counting.call, n) for n in range(40)), 4)] == list(range(40))
    assert counting.most == 4


def test_an_error_is_raised_at_its_turn_and_those_before_it_count() -> None:
    seen = []
    with pytest.raises(ValueError, match="5"):
        for each in ahead((partial(Counting(1).call, n, 5) for n in range(9)), 3):
            seen.append(each())
    assert seen == [0, 1, 2, 3, 4]


def test_who_stops_early_has_asked_for_little_more_and_leaves_no_thread() -> None:
    counting = Counting(1)
    reading = ahead((partial(counting.call, n) for n in range(1000)), 4)
    assert next(iter(reading))() == 0
    reading.close()  # type: ignore[attr-defined]
    assert counting.begun <= 9
    assert not [each for each in threading.enumerate() if each.name.startswith("reading-ahead")]


def test_with_one_at_once_nothing_is_read_before_its_turn() -> None:
    counting = Counting(1)
    for number, each in enumerate(ahead((partial(counting.call, n) for n in range(5)), 1)):
        assert counting.begun == number
        assert each() == number
