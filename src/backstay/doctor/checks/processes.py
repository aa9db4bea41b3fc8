"""Whether an etcd runs here, listens where clients look for it, and answers."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import errors, findings
from backstay.doctor.check import Check
from backstay.doctor.facts import Facts
from backstay.etcd.connection import Endpoint
from backstay.findings import Finding, Severity

ETCD_NOT_RUNNING = findings.declare(
    "etcd-not-running",
    Severity.ERROR,
    "An etcd is installed on this host, but no process of it runs.",
    "look for the reason among the other findings first; then start it (kubelet for a static pod, systemctl for a unit)",
)
ETCD_NOT_LISTENING = findings.declare(
    "etcd-not-listening",
    Severity.ERROR,
    "A process of etcd runs, but nobody listens on its client address: it is starting, or waits for its peers.",
    "wait a moment; then read its log for what it waits for",
)
PORT_TAKEN = findings.declare(
    "port-taken",
    Severity.ERROR,
    "Another program listens on etcd's client port, so etcd cannot start.",
    "stop that program, or give etcd another --listen-client-urls",
)
MEMBER_UNREACHABLE = findings.declare(
    "member-unreachable",
    Severity.ERROR,
    "A member does not answer at its client address.",
    "look at the host of that member: does etcd run there, and does the network let us through?",
)
NO_QUORUM = findings.declare(
    "no-quorum",
    Severity.ERROR,
    "A member answers, but cannot serve reads and writes: it has no leader, so fewer than half of the members are alive.",
    "bring the other members back first; only if they are lost for good, recover from this member or a backup",
)
CREDENTIALS_REFUSED = findings.declare(
    "credentials-refused",
    Severity.ERROR,
    "The member was reached, but the handshake or etcd's access control refused the credentials at hand.",
    "run the command with sudo, or name others with --cacert, --cert, --key or --user",
)

_REFUSALS = (
    errors.ENDPOINT_TLS,
    errors.AUTHENTICATION_FAILED,
    errors.PERMISSION_DENIED,
    errors.CREDENTIALS_INVALID,
    errors.CREDENTIALS_UNREADABLE,
)


def examine(facts: Facts) -> Iterator[Finding]:
    """Processes, listeners and answers."""
    installation = facts.installation
    if installation is not None and installation.data_dir is not None:
        yield from _local_process(facts)
    if facts.live is None:
        return
    for health in facts.live.healths:
        if health.problem is None:
            continue
        why = health.problem.why or health.problem.what
        if health.problem.kind in _REFUSALS:
            yield CREDENTIALS_REFUSED.at(f"member {health.endpoint}", why)
        elif health.status is None:
            yield MEMBER_UNREACHABLE.at(f"member {health.endpoint}", why)
        else:
            yield NO_QUORUM.at(f"member {health.endpoint}", why)


def _local_process(facts: Facts) -> Iterator[Finding]:
    assert facts.installation is not None
    port = Endpoint.parse(facts.installation.endpoint).port
    own = {process.pid for process in facts.etcd_processes}
    listening = [each for each in facts.listeners if each.port == port]
    strangers = [each for each in listening if each.pid is not None and each.pid not in own]
    names = {process.pid: process.name for process in facts.processes}
    for stranger in strangers:
        if not own:
            yield PORT_TAKEN.at(
                f"{stranger.address}:{port}",
                f"process {stranger.pid} ({names.get(stranger.pid or 0, '?')}) listens there",
            )
    if not own and not listening:
        yield ETCD_NOT_RUNNING.at(str(facts.installation), f"no process, and nobody listens on port {port}")
    elif own and not listening:
        yield ETCD_NOT_LISTENING.at(
            str(facts.installation), f"process {min(own)} runs, but nobody listens on port {port}"
        )


CHECK = Check("processes", "processes, ports and answers", examine)
