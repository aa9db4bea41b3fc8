"""From many findings to one cause and the next command.

Pure. The rules are an ordered list: the first whose findings are all there names the cause, because a full disk explains a damaged
database, and a damaged database explains an etcd that does not run, and that explains an API server that does not answer. What
remains is listed below the cause; nothing is hidden.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`cause` is a short name (stable, for monitors), `sentence` is for people, `next_command` is what to type now.

    `explains` are the codes of the findings that the cause accounts for.
    """

    cause: str
    sentence: str
    next_command: str
    explains: tuple[str, ...] = ()


Command = Callable[[Facts], str]

FIRST_CODE = "{code}"
"""In a command: the code of the finding that proves the cause."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A cause, the findings that prove it (any of `any_of`, and all of `all_of`), and what to do."""

    cause: str
    any_of: frozenset[str]
    sentence: str
    command: Command
    all_of: frozenset[str] = frozenset()


def diagnose(findings: Iterable[Finding], facts: Facts) -> Diagnosis:
    """The one cause, `healthy` where no finding is an error."""
    findings = tuple(findings)
    codes = {finding.code for finding in findings}
    for rule in RULES:
        if codes & rule.any_of and rule.all_of <= codes:
            first = next(finding for finding in findings if finding.code in rule.any_of)
            sentence = f"{rule.sentence} ({first.subject}: {first.evidence})"
            command = rule.command(facts).replace(FIRST_CODE, first.code)
            return Diagnosis(rule.cause, sentence, command, tuple(sorted(codes & (rule.any_of | rule.all_of))))
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        worst = errors[0]
        return Diagnosis(
            worst.code, f"{worst.subject}: {worst.evidence}", f"backstay explain {worst.code}", (worst.code,)
        )
    if any(finding.severity is Severity.WARNING for finding in findings):
        return Diagnosis("none", "Nothing is broken; see the warnings.", "backstay snapshot save /backup/")
    return Diagnosis("none", "Nothing is wrong.", "")


def newest_whole_backup(facts: Facts) -> Path | None:
    """The newest backup whose quick check is clean."""
    whole = [each for found in facts.backups for each in found.files if not each.problem]
    return max(whole, key=lambda each: each.modified).path if whole else None


def _recover(facts: Facts) -> str:
    backup = newest_whole_backup(facts)
    return f"sudo backstay recover --from {shlex.quote(str(backup)) if backup is not None else 'BACKUP'}"


def _free_space(facts: Facts) -> str:
    where = facts.data_disk.mount_point if facts.data_disk is not None else "/"
    return f"sudo du -xh -d 3 {shlex.quote(where)} | sort -h | tail -20"


def _free_space_then_recover(facts: Facts) -> str:
    return f"{_free_space(facts)}   # free space, then: {_recover(facts)}"


def _fixed(text: str) -> Command:
    return lambda facts: text


_DAMAGE = frozenset(
    {
        "database-damaged",
        "directory-database-lost",
        "directory-no-log",
        "directory-no-member",
        "log-damaged",
        "log-ends-early",
        "log-gap",
        "log-metadata-mismatch",
        "log-segment-missing",
    }
)
_DISK = frozenset({"disk-full", "inodes-low", "disk-read-only"})

RULES = (
    Rule(
        "disk-full-and-database-damaged",
        _DISK,
        "The disk under etcd's data is full, and the database was damaged by it",
        _free_space_then_recover,
        all_of=frozenset({"database-damaged"}),
    ),
    Rule("disk-full", _DISK, "The disk under etcd's data is full (or read-only): etcd cannot write", _free_space),
    Rule("database-damaged", _DAMAGE, "The data of this member is damaged or missing", _recover),
    Rule(
        "quota-exceeded",
        frozenset({"quota-exceeded", "alarm-nospace"}),
        "The database has reached its quota: etcd refuses every write",
        _fixed("sudo backstay doctor --fix"),
    ),
    Rule(
        "members-diverged",
        frozenset({"alarm-corrupt", "hashes-differ"}),
        "The members hold different data",
        _fixed("backstay snapshot save EACH-MEMBER.db --endpoints EACH-MEMBER   # before anything else"),
    ),
    Rule(
        "certificate-expired",
        frozenset({"certificate-expired"}),
        "A certificate has expired: handshakes fail",
        _fixed("sudo kubeadm certs renew all   # then restart the control plane's static pods"),
    ),
    Rule(
        "certificate-wrong",
        frozenset({"certificate-issuer", "certificate-key", "certificate-names", "certificate-unreadable"}),
        "A certificate does not fit: handshakes fail",
        _fixed(f"backstay explain {FIRST_CODE}"),
    ),
    Rule(
        "port-taken",
        frozenset({"port-taken"}),
        "Another program holds etcd's port",
        _fixed("sudo ss -ltnp | grep 2379"),
    ),
    Rule(
        "quorum-lost",
        frozenset({"no-quorum", "no-leader"}),
        "The cluster has no quorum: too few members are alive",
        _fixed("backstay doctor   # on the host of each member that does not answer"),
    ),
    Rule(
        "etcd-not-running",
        frozenset({"etcd-not-running", "etcd-not-listening", "member-unreachable"}),
        "etcd does not run, though its data looks sound",
        _fixed("sudo journalctl -u kubelet -u etcd --since -10min | tail -50"),
    ),
    Rule(
        "no-access",
        frozenset({"credentials-refused"}),
        "etcd lives, but refuses the credentials at hand",
        _fixed("sudo backstay doctor"),
    ),
    Rule(
        "api-server-not-ready",
        frozenset({"api-server-not-ready"}),
        "etcd is healthy, the API server is not",
        _fixed("sudo crictl logs $(sudo crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -30"),
    ),
)
