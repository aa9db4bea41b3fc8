"""`backstay explain`: what an error or finding code means, from the two catalogues.

It imports every module that declares findings (`finding_modules.py`), because a finding joins its catalogue when its
module is imported. Nothing else may depend on that side effect.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass

import click

from backstay import errors, findings
from backstay.cli.finding_modules import FINDING_MODULES
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code, as `-o json` prints it. Errors have `exit`, `side` and `retryable`; findings have a severity."""

    code: str
    kind: str
    meaning: str
    next: str
    severity: str | None = None
    exit: int | None = None
    side: str | None = None
    retryable: bool | None = None


@own_command(
    examples="""
    backstay explain
    backstay explain trailer-mismatch
    backstay explain -o json | jq -r '.[].code'
    """
)
@output_options
@click.argument("code", required=False)
def command(*, code: str | None, output: Format) -> None:
    """Say what CODE means, whose turn it is, and what to do next.

    CODE is what stands behind `code:` in an error, or the code of a finding. Without CODE all are listed.
    """
    known = explanations()
    if code is None:
        show(known, output, lambda: overview(known))
        return
    wanted = [each for each in known if each.code == code.strip().lower()]
    if not wanted:
        near = difflib.get_close_matches(code, [each.code for each in known], n=1)
        raise errors.CODE_UNKNOWN.error(
            f"no error or finding has the code {code!r}",
            why=f"did you mean {near[0]!r}?" if near else "",
        )
    show(wanted, output, lambda: "\n\n".join(in_words(each) for each in wanted))


def explanations() -> list[Explanation]:
    """Every error in the order of its declaration, then every finding by code."""
    for module in FINDING_MODULES:
        importlib.import_module(module)
    of_errors = [
        Explanation(
            code=kind.code,
            kind="error",
            meaning=kind.meaning,
            next=kind.next_step,
            exit=int(kind.exit_status),
            side=kind.side.value,
            retryable=kind.retryable,
        )
        for kind in errors.catalogue().values()
    ]
    of_findings = [
        Explanation(code=kind.code, kind="finding", meaning=kind.meaning, next=kind.remedy, severity=str(kind.severity))
        for _, kind in sorted(findings.catalogue().items())
    ]
    return of_errors + of_findings


def overview(known: list[Explanation]) -> str:
    """All codes in columns."""
    rows = [(each.code, each.severity or f"exit {each.exit}", each.meaning) for each in known]
    return columns(("CODE", "SEVERITY OR EXIT", "MEANING"), rows)


def in_words(explanation: Explanation) -> str:
    """One code as a paragraph of labelled lines."""
    lines = [f"{explanation.code}: {explanation.meaning}"]
    if explanation.kind == "error":
        lines.append(f"  exit status: {explanation.exit} (commands that keep etcd's exit statuses differ)")
        lines.append(f"  whose turn:  {explanation.side}")
        lines.append(f"  try again:   {'it can help' if explanation.retryable else 'it will not help by itself'}")
    else:
        lines.append(f"  severity:    {explanation.severity} of a finding")
    lines.append(f"  next:        {explanation.next}")
    return "\n".join(lines)
