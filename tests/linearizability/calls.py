"""What clients did and heard: the history that the checkers judge.

Times are seconds of one monotonic clock. Every request that writes is sent once in a history and differs from every other
(the clients see to it), so that it can be found in the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.formats import requests
from backstay.formats.requests import Message
from tests.model.wire import Answered

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `answer` is a refusal's text, or None where the connection broke: it may have happened, or not.

    One of unknown outcome has `ended` FOREVER: if it happened, then at any time after it began.
    """

    client: int
    request: Message
    begun: float
    ended: float = FOREVER
    answer: Answered | str | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether nobody heard what came of it."""
        return self.answer is None

    def __str__(self) -> str:
        heard = "unknown" if self.is_unknown else self.answer
        return f"client {self.client} {self.begun:.4f}..{self.ended:.4f} {self.request} -> {heard}"


def only_reads(request: Message) -> bool:
    """Whether a request is never in the log."""
    if isinstance(request, requests.Txn):
        return all(each.range is not None for each in (*request.success, *request.failure))
    return isinstance(request, requests.Range)
