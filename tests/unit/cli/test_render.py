"""Our own output: columns, findings, JSON, YAML, progress, and the exit status of findings."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backstay.cli.render.findings import findings_plain, findings_table
from backstay.cli.render.json_output import json_text
from backstay.cli.render.outcome import exit_status
from backstay.cli.render.progress import BarProgress, JsonProgress, progress_for
from backstay.cli.render.tables import columns, pairs, printable
from backstay.cli.render.yaml_output import yaml_text
from backstay.cli.reporting import ProgressMode, Reporting
from backstay.findings import Finding, Severity
from backstay.telemetry.progress import SilentProgress

NOTE = Finding("some-note", Severity.NOTE, "the file", "it is old", "")
WARNING = Finding("some-warning", Severity.WARNING, "page 2", "odd", "look at it", 8192)
ERROR = Finding("some-error", Severity.ERROR, "page 3", "bad", "use another copy", 12288)


@dataclass(frozen=True)
class Sample:
    name: str
    severity: Severity
    path: Path
    taken: datetime
    parts: tuple[int, ...]


SAMPLE = Sample("ä", Severity.ERROR, Path("a/b"), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), (1, 2))


class SteppingClock:
    """Every look at it takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        self.seconds += 1
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_columns_align_numbers_right_and_end_without_blanks() -> None:
    rows = [("/registry/a", 7, "x"), ("/r/日本", 1234, "")]
    assert columns(("KEY", "SIZE", "NOTE"), rows) == (
        "KEY          SIZE  NOTE\n"
        "/registry/a     7  x\n"
        "/r/日本      1234"
    )  # fmt: skip
    assert columns(("KEY",), []) == "KEY"


def test_what_would_move_the_cursor_is_escaped() -> None:
    assert printable("a\x1b[31m\nb") == "a\\x1b[31m\\nb"
    assert pairs([("path", "x"), ("revision", 7)]) == "path:     x\nrevision: 7"


def test_findings_worst_first_and_each_remedy_once() -> None:
    assert findings_table([NOTE, WARNING, ERROR, ERROR]) == (
        "SEVERITY  CODE          SUBJECT                EVIDENCE\n"
        "ERROR     some-error    page 3 (offset 12288)  bad\n"
        "ERROR     some-error    page 3 (offset 12288)  bad\n"
        "WARNING   some-warning  page 2 (offset 8192)   odd\n"
        "NOTE      some-note     the file               it is old\n"
        "\n"
        "some-error: use another copy\n"
        "some-warning: look at it"
    )
    assert findings_table([]) == ""
    assert findings_plain([WARNING]) == [
        {"severity": "warning", "code": "some-warning", "subject": "page 2", "evidence": "odd",
         "remedy": "look at it", "offset": 8192}
    ]  # fmt: skip


@pytest.mark.parametrize(("findings", "status"), [([], 0), ([NOTE], 0), ([NOTE, WARNING], 3), ([ERROR, WARNING], 4)])
def test_exit_status_of_findings(findings: list[Finding], status: int) -> None:
    assert exit_status(findings) == status


def test_json_and_yaml_keep_the_order() -> None:
    compact = '{"name":"ä","severity":"error","path":"a/b","taken":"2026-01-02T03:04:05Z","parts":[1,2]}'
    assert json_text(SAMPLE, pretty=False) == compact
    assert json_text(SAMPLE, pretty=True).startswith('{\n  "name": "ä",\n')
    assert yaml_text(SAMPLE).startswith("name: ä\nseverity: error\npath: a/b\n")
    assert yaml_text(7) == "7"


def test_bytes_must_be_decided_by_who_has_them() -> None:
    with pytest.raises(TypeError, match="bytes has no plain form"):
        json_text({"value": b"x"}, pretty=False)


def test_json_progress_is_one_line_per_phase(capsys: pytest.CaptureFixture[str]) -> None:
    progress = JsonProgress(SteppingClock())
    progress.begin("save", 30)
    progress.advance(10)
    progress.advance(20)
    progress.begin("verify", None)
    progress.finish()
    progress.finish()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        {"level": "info", "event": "phase", "phase": "save", "bytes": 30, "total_bytes": 30, "seconds": 1.0},
        {"level": "info", "event": "phase", "phase": "verify", "bytes": 0, "total_bytes": None, "seconds": 1.0},
    ]


def test_the_bar_shows_phase_and_rate() -> None:
    from rich.console import Console

    screen = io.StringIO()
    progress = BarProgress(console=Console(file=screen, force_terminal=True, width=100))
    progress.begin("save", 2_000_000)
    progress.advance(1_000_000)
    progress.begin("verify", None)
    progress.advance(5)
    progress.finish()
    progress.finish()
    assert "save" in screen.getvalue()
    assert "1.0/2.0 MB" in screen.getvalue()


@pytest.mark.parametrize(
    ("reporting", "kind"),
    [
        (Reporting(), SilentProgress),  # pytest's stderr is no terminal
        (Reporting(quiet=True, json_phases=True), SilentProgress),
        (Reporting(progress=ProgressMode.NEVER, json_phases=True), SilentProgress),
        (Reporting(json_phases=True), JsonProgress),
        (Reporting(progress=ProgressMode.ALWAYS), BarProgress),
    ],
)
def test_which_progress(reporting: Reporting, kind: type[object]) -> None:
    assert type(progress_for(reporting)) is kind
