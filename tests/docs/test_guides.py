"""The guide keeps its word: every cause has a page, every command parses, and every session prints what its page shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backstay.cli.main import build_root, run
from backstay.doctor.diagnosis import RULES
from tests.docs.guide_runner import Session, command_lines, difference, sessions
from tests.docs.guide_scenes import SCENES, scene
from tests.docs.test_help import backstay_lines, parse

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide"
COURSE = DOCS / "course.md"
FAILURES = GUIDE / "failures"
STORIES = tuple(sorted(GUIDE.glob("*.md")))
CAUSES = sorted(FAILURES.glob("*.md"))
PAGES = (*STORIES, *CAUSES)
SESSIONS = [session for page in (*PAGES, COURSE) for session in sessions(page)]
PARTS = ("## Symptom", "## Proof", "## Fix", "## Prevention")


def test_every_cause_that_doctor_names_has_a_page_and_no_page_is_left_over() -> None:
    assert {page.stem for page in FAILURES.glob("*.md")} == {rule.cause for rule in RULES}


@pytest.mark.parametrize("page", CAUSES, ids=lambda page: page.stem)
def test_a_page_says_symptom_proof_fix_and_prevention(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == list(PARTS)
    assert list(sessions(page)), "show one session that is really run"


@pytest.mark.parametrize("page", [*PAGES, COURSE], ids=lambda page: page.stem)
def test_every_command_of_a_page_parses(page: Path) -> None:
    for line in command_lines(page):
        for words in backstay_lines(line):
            parse(build_root(), words)


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: f"{session.page.stem}-{session.scene}")
def test_a_session_prints_what_its_page_shows(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "host"
    assert session.scene in SCENES
    with scene(session.scene, root):
        environment = {"BACKSTAY_HOST_ROOT": str(root), "PATH": os.environ["PATH"]}
        for call in session.calls:
            capsys.readouterr()
            run(call.arguments(root), environment)
            wrong = difference(call.expected, capsys.readouterr().out, root)
            assert not wrong, f"$ {call.line}\n{wrong}"
