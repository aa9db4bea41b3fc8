"""Which etcd this host has, and whether its description can be understood."""

from __future__ import annotations

from collections.abc import Iterator

from backstay import findings
from backstay.doctor.check import CHECK_NOT_RUN, Check
from backstay.doctor.facts import Facts
from backstay.findings import Finding, Severity

NO_INSTALLATION = findings.declare(
    "no-installation",
    Severity.ERROR,
    "No etcd was found in the usual places of this host: it may run elsewhere, or its manifest was moved away.",
    "run the command on the host of the member, or name it with --endpoints, --data-dir or --snapshot",
)
SEVERAL_INSTALLATIONS = findings.declare(
    "several-installations",
    Severity.WARNING,
    "More than one etcd (or data directory) was found on this host; a repair of the wrong one loses data.",
    "find out which one the API server uses (--etcd-servers in its manifest), and name it with --data-dir",
)
API_SERVER_NOT_READY = findings.declare(
    "api-server-not-ready",
    Severity.ERROR,
    "The API server of this host does not answer, or says that it is not ready.",
    "look at its log after etcd is healthy; it needs etcd first",
)


def examine(facts: Facts) -> Iterator[Finding]:
    """What discovery found, and how the API server is."""
    discovery = facts.discovery
    if discovery is None:
        return
    yield from discovery.findings
    if discovery.chosen is None and facts.live is None:
        yield NO_INSTALLATION.at("this host", f"looked at {', '.join(discovery.looked_at[:6])} and more")
    here = [each for each in discovery.found if each.data_dir is not None]
    if len(here) > 1:
        yield SEVERAL_INSTALLATIONS.at(
            "this host", "; ".join(f"{each} with its data in {each.data_dir}" for each in here)
        )
    api_server = facts.api_server
    if api_server is None:
        return
    if api_server.problem:
        yield CHECK_NOT_RUN.at("API server", f"`{api_server.manifest}`: {api_server.problem}")
    elif not api_server.is_running:
        yield API_SERVER_NOT_READY.at("API server", "its manifest is there, but no process runs")
    elif api_server.ready is None:
        yield API_SERVER_NOT_READY.at("API server", "it runs, but /readyz does not answer")
    elif api_server.ready >= 500:
        yield API_SERVER_NOT_READY.at("API server", f"/readyz answers {api_server.ready}")


CHECK = Check("installation", "the installation and the API server", examine)
