"""The page of promises is true: every test that it names is there, and every promise stands on it once."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| P(\d+) (.*?) \| (tests/.*) \|$", PAGE, re.MULTILINE)
ALL = range(1, 26)


def test_every_test_that_holds_a_promise_is_there() -> None:
    for number, _, held in ROWS:
        path = ""
        for each in held.split(", "):
            file, _, name = each.partition("::")
            path = file or path
            assert name, f"P{number}: {each} names no test"
            assert (ROOT / path).is_file(), f"P{number}: there is no {path}"
            assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (
                f"P{number}: {path} has no {name}"
            )


def test_every_promise_is_held_or_said_not_to_be() -> None:
    held = [int(number) for number, _, _ in ROWS]
    assert held == sorted(set(held)), "each once, in order"
    open_ones = {int(number) for number in re.findall(r"P(\d+)", PAGE.partition("Not promised yet")[2])}
    assert open_ones.isdisjoint(held)
    assert sorted(open_ones | set(held)) == list(ALL)
