"""What the runs say, as figures and as the table of docs/compatibility.md: test by test, etcd beside backstay.

A case counts when all members that it started had a store of one member with the real etcd. It counts once: as published
if it is so there, else in the one-member form. What etcd itself does not pass or skips here judges nobody, and is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.etcd_suite.building import FORMS, PACKAGES, Suite
from tools.etcd_suite.running import PASSED, SKIPPED, Case, Result, Runner

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- etcd-suite: begin, written by make etcd-suite -->", "<!-- etcd-suite: end -->"


def is_one_member(result: Result, case: Case) -> bool:
    """Whether this case ran on stores of one member only."""
    starts = result.starts_of(case)
    return bool(starts) and all(start.members == 1 for start in starts)


def plan(suite: Suite, package: str, form: str, server: str, tests: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Test -> the cases of it to leave out, for one column: everything for etcd as published, else what remains."""
    published = Runner(suite, package, "published", "etcd").known()
    if form == "published" and server == "etcd":
        return dict.fromkeys(tests, ())
    plans: dict[str, tuple[str, ...]] = {}
    here = Runner(suite, package, form, "etcd").known()
    for test in tests:
        if test not in published:
            continue
        done = {c.name for c in published[test].cases if is_one_member(published[test], c)}
        if form == "published":
            rest = {c.name for c in published[test].cases} - done
            if done:
                plans[test] = tuple(sorted(name for name in rest if name != test))
        elif server == "etcd":
            if len(done) < len(published[test].cases) and published[test].starts:
                plans[test] = tuple(sorted(name for name in done if name != test))
        elif test in here:
            single = {c.name for c in here[test].cases if is_one_member(here[test], c) and c.name not in done}
            if single:
                plans[test] = tuple(sorted({c.name for c in here[test].cases} - single - {test}))
    return plans


def is_within(name: str, around: str) -> bool:
    """Whether `name` is the case `around` or one of its own."""
    return name == around or name.startswith(f"{around}/")


def by_test(names: Iterable[str]) -> str:
    """Names in the form `TestPut (3 cases)`, by the tests that they belong to."""
    counts: dict[str, int] = {}
    for name in names:
        test = name.partition("/")[0]
        counts[test] = counts.get(test, 0) + 1
    return ", ".join(f"{test} ({count})" for test, count in sorted(counts.items())) or "none"


@dataclass(frozen=True, slots=True)
class Row:
    """The one-member cases of a test in one form: name -> what etcd and what backstay said ("" when not run)."""

    package: str
    form: str
    test: str
    cases: Mapping[str, tuple[str, str]]

    def count(self, column: int) -> int:
        """How many cases passed in a column: 0 is etcd, 1 is backstay."""
        return sum(outcomes[column] == PASSED for outcomes in self.cases.values())

    @property
    def judged(self) -> dict[str, str]:
        """The cases that etcd passes, and what backstay said."""
        return {name: own for name, (real, own) in self.cases.items() if real == PASSED}


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, and the tests without a one-member case."""

    version: str
    rows: tuple[Row, ...]
    others: tuple[tuple[str, str, str], ...]  # package, test, why it judges nobody

    @classmethod
    def read(cls, suite: Suite) -> Report:
        """From the results in the cache."""
        rows: list[Row] = []
        others: list[tuple[str, str, str]] = []
        for package in PACKAGES:
            columns = {
                (form, server): Runner(suite, package, form, server).known()
                for form in FORMS
                for server in ("etcd", "backstay")
            }
            for test, published in columns["published", "etcd"].items():
                counted: set[str] = set()
                for form in FORMS:
                    real = columns[form, "etcd"].get(test)
                    own = columns[form, "backstay"].get(test, Result(()))
                    if real is None:
                        continue
                    said = {case.name: case.outcome for case in own.cases}
                    cases = {
                        case.name: (case.outcome, said.get(case.name, ""))
                        for case in real.cases
                        if is_one_member(real, case) and not any(is_within(name, case.name) for name in counted)
                    }
                    counted |= set(cases)
                    if cases:
                        rows.append(Row(package, form, test, cases))
                if not counted:
                    others.append((package, test, reason(published)))
        return cls(suite.version, tuple(rows), tuple(others))

    def summary(self) -> str:
        """The figures in words."""
        lines = []
        for package in PACKAGES:
            for form in FORMS:
                rows = [row for row in self.rows if (row.package, row.form) == (package, form)]
                passed = sum(row.count(0) for row in rows)
                own = sum(value == PASSED for row in rows for value in row.judged.values())
                lines.append(f"tests/{package}, {form}: {own} of the {passed} one-member cases that etcd passes")
        return "\n".join(lines)

    def failing(self) -> list[str]:
        """The cases that etcd passes and backstay does not, or has not been asked for."""
        return [
            f"{row.package} {row.form} {name} ({own or 'not run'})"
            for row in self.rows
            for name, own in row.judged.items()
            if own != PASSED
        ]


def reason(result: Result) -> str:
    """Why a test has no one-member case."""
    if any(start.members > 1 for start in result.starts):
        return "more than one member"
    if all(case.outcome == SKIPPED for case in result.cases):
        return "skipped by the suite in this set-up"
    return "starts no member"


def write(report: Report) -> None:
    """Put the table between the two marks of docs/compatibility.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{render(report)}\n{END}{after}", encoding="utf-8")


def render(report: Report) -> str:
    """The generated part of the document."""
    lines = ["| package | form | one-member cases | etcd passes | backstay passes of those |", "|---|---|---|---|---|"]
    for package in PACKAGES:
        for form in FORMS:
            rows = [row for row in report.rows if (row.package, row.form) == (package, form)]
            own = sum(value == PASSED for row in rows for value in row.judged.values())
            cases, real = sum(len(row.cases) for row in rows), sum(row.count(0) for row in rows)
            lines.append(f"| tests/{package} | {form} | {cases} | {real} | {own} |")
    lines += ["", "### Cases that etcd passes and backstay does not", ""]
    for package in PACKAGES:
        wrong = [
            name for row in report.rows if row.package == package for name, own in row.judged.items() if own != PASSED
        ]
        lines.append(f"- tests/{package}: {by_test(wrong)}")
    for package in PACKAGES:
        lines += ["", f"### tests/{package}, test by test", ""]
        lines += [f"| test | form | cases | etcd {report.version} | backstay |", "|---|---|---|---|---|"]
        for row in report.rows:
            if row.package == package:
                lines.append(f"| {row.test} | {row.form} | {len(row.cases)} | {row.count(0)} | {row.count(1)} |")
        lines += ["", f"### tests/{package}: what judges nobody", ""]
        lines += judges_nobody(report, package)
    return "\n".join(lines) + "\n"


def judges_nobody(report: Report, package: str) -> list[str]:
    """The tests that say nothing about a store of one member, by reason, then the cases that etcd itself does not pass."""
    reasons: dict[str, list[str]] = {}
    for owner, test, why in report.others:
        if owner == package:
            reasons.setdefault(why, []).append(test)
    lines = [f"- {why} ({len(tests)}): {', '.join(tests)}" for why, tests in sorted(reasons.items())]
    own = [
        name for row in report.rows if row.package == package for name, (real, _) in row.cases.items() if real != PASSED
    ]
    lines.append(f"- cases that etcd itself does not pass, or skips, in this set-up ({len(own)}): {by_test(own)}")
    return lines
