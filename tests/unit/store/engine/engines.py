"""Engines over an empty store, with a clock that tests move."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from backstay.formats.requests import Message
from backstay.store.apply.permissions import Identity
from backstay.store.engine import Engine, EngineOptions, Outcome
from backstay.store.engine.engine import NOBODY
from backstay.store.refusals import Refusal, Refused
from backstay.store.tokens import TokenProvider
from backstay.values import ClusterId, MemberId
from tests.unit.store.building import empty


class HandClock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class PlainHashes:
    """Stands in for bcrypt."""

    def hash(self, password: str) -> bytes:
        return b"hash of " + password.encode()

    def matches(self, password: str, hashed: bytes) -> bool:
        return hashed == self.hash(password)


def engine(clock: HandClock | None = None, tokens: TokenProvider | None = None, quota_bytes: int = 0) -> Engine:
    """An engine over an empty store."""
    options = EngineOptions(MemberId(0xABC), ClusterId(0xDEF), quota_bytes=quota_bytes)
    seeded = random.Random(1)
    return Engine(empty(), clock or HandClock(), seeded, options, tokens=tokens, passwords=PlainHashes())


def refusal(action: Callable[[], object]) -> Refusal:
    """Why `action` is refused."""
    try:
        action()
    except Refused as refused:
        return refused.refusal
    raise AssertionError("it was not refused")


def refused(store: Engine, body: Message, identity: Identity = NOBODY) -> Refusal:
    """Why the engine refuses `body`."""
    return refusal(lambda: store.execute(body, identity))


def run(store: Engine, *bodies: Message) -> list[Outcome]:
    """Execute several requests."""
    return [store.execute(body) for body in bodies]
