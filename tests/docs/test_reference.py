"""The reference says what the code says: every command, option, error and finding stands in it."""

from __future__ import annotations

from pathlib import Path

from tools import generate_reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_generated_pages_are_current() -> None:
    for name, text in generate_reference.pages().items():
        kept = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
        assert kept == text, f"docs/reference/{name} is stale: run `python -m tools.generate_reference`"


def test_every_exit_status_is_explained() -> None:
    from backstay.errors import ExitStatus

    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    for status in ExitStatus:
        assert f"| {status.value} |" in page, f"exit status {status.value} is missing"
