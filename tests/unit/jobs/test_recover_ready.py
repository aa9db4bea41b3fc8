"""When recover calls an API server ready: at 200, and at a refusal of everybody only when that lasts."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from backstay.jobs.recover import steps
from backstay.telemetry import SilentProgress
from tests.unit.jobs.test_recover_stop import RunningClock


def start(monkeypatch: pytest.MonkeyPatch, answers: Iterable[int | None]) -> tuple[Any, float]:
    """The result of the step, and the seconds it waited, while /readyz gives one answer after the other."""
    following, clock = iter(answers), RunningClock()
    last: list[int | None] = []

    def readiness(port: int) -> int | None:
        last[:] = [next(following, last[0] if last else None)]
        return last[0]

    monkeypatch.setattr(steps, "readiness", readiness)
    monkeypatch.setattr(steps, "_start", lambda work, component: None)
    plan = SimpleNamespace(api_server_port=6443, component=lambda name: name)
    deadlines = SimpleNamespace(api_server=60.0)
    work: Any = SimpleNamespace(plan=plan, clock=clock, progress=SilentProgress(), deadlines=deadlines)
    return steps.start_api_server(work), clock.seconds


def test_a_refusal_while_it_starts_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    result, seconds = start(monkeypatch, [None, 403, 403, 500, 403, 200])
    assert result["notes"] == []
    assert seconds < steps.CLOSED_SECONDS


def test_a_refusal_that_lasts_is_all_that_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    result, seconds = start(monkeypatch, [None, 401])
    assert "answered 401" in result["notes"][0]
    assert seconds >= steps.CLOSED_SECONDS
