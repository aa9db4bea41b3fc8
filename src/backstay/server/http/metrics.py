"""`/metrics`: the store's numbers under the names that dashboards for etcd know, as Prometheus' text.

    # HELP etcd_mvcc_put_total Puts.
    # TYPE etcd_mvcc_put_total counter
    etcd_mvcc_put_total 17

Written by hand rather than with prometheus-client: the numbers are kept where they arise, most of them in the store, and a
page is forty lines of code; a registry of global objects would count twice and know less.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path

from backstay.server.durations import Durations
from backstay.server.http.exchange import Request, Response
from backstay.server.http.metric_table import ALWAYS, METRICS
from backstay.server.http.statistics import Statistics
from backstay.server.identity import Identity
from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.release import CLUSTER_VERSION, VERSION
from backstay.server.statuses import NAMES
from backstay.server.traffic import Traffic

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

Labels = Mapping[str, str]


class Metrics:
    """The page of one server."""

    def __init__(self, statistics: Statistics, traffic: Traffic, identity: Identity) -> None:
        self._statistics = statistics
        self._traffic = traffic
        self._identity = identity
        self._checks: Counter[tuple[str, str, bool]] = Counter()
        self._states: dict[tuple[str, str], bool] = {}
        self._health = {"etcd_server_health_failures": 0, "etcd_server_health_success": 0}

    def count_health(self, good: bool) -> None:
        """An answer of `/health` was given."""
        self._health["etcd_server_health_success" if good else "etcd_server_health_failures"] += 1

    def count_check(self, kind: str, name: str, good: bool) -> None:
        """A check of `/livez` or `/readyz` was made."""
        self._checks[kind, name, good] += 1
        self._states[kind, name] = good

    def page(self, _: Request) -> Response:
        """The whole page."""
        lines = [*self._stated(), *self._counted(), *self._calls(), *_process()]
        body = "".join(f"{line}\n" for line in lines).encode()
        return Response(HTTPStatus.OK, (("Content-Type", CONTENT_TYPE),), body)

    def _stated(self) -> Iterator[str]:
        yield from _family("etcd_cluster_version", "gauge", "1 for the version of the cluster.")
        yield _sample("etcd_cluster_version", 1, {"cluster_version": CLUSTER_VERSION.rpartition(".")[0]})
        yield from _family("etcd_server_version", "gauge", "1 for the version that clients see.")
        yield _sample("etcd_server_version", 1, {"server_version": VERSION})
        member = f"{self._identity.member:x}"
        yield from _family("etcd_server_id", "gauge", "1 for the member's id, in hex.")
        yield _sample("etcd_server_id", 1, {"server_id": member})
        yield from _family("etcd_network_known_peers", "gauge", "1 for every member that is known.")
        yield _sample("etcd_network_known_peers", 1, {"Local": member, "Remote": member})
        yield from _family("etcd_server_healthcheck", "gauge", "1 for a check that passed when it was made last.")
        for (kind, name), good in sorted(self._states.items()):
            yield _sample("etcd_server_healthcheck", int(good), {"name": name, "type": kind})
        yield from _family("etcd_server_healthchecks_total", "counter", "Checks that were made.")
        for (kind, name, good), number in sorted(self._checks.items()):
            labels = {"name": name, "status": "success" if good else "error", "type": kind}
            yield _sample("etcd_server_healthchecks_total", number, labels)
        alarms = self._statistics.alarms()
        if alarms:
            yield from _family("etcd_debugging_server_alarms", "gauge", "1 for every alarm that is raised.")
            for alarm in alarms:
                yield _sample("etcd_debugging_server_alarms", 1, {"alarm_type": alarm, "server_id": member})

    def _counted(self) -> Iterator[str]:
        numbers = {**ALWAYS, **self._health, **self._asked_for(), **self._statistics.numbers()}
        durations = self._statistics.durations()
        for name, kind, meaning, bounds in METRICS:
            yield from _family(name, kind, meaning)
            if kind == "histogram":
                yield from _histogram(name, durations.get(name) or Durations(bounds))
            else:
                yield _sample(name, numbers.get(name, 0))

    def _asked_for(self) -> Mapping[str, float]:
        """What calls were answered, where the store does not count better: the parts of transactions are not in it."""
        sent = self._traffic.sent
        return {
            "etcd_mvcc_delete_total": sent[Op.DELETE_RANGE],
            "etcd_mvcc_put_total": sent[Op.PUT],
            "etcd_mvcc_range_total": sent[Op.RANGE],
            "etcd_mvcc_txn_total": sent[Op.TXN],
            "etcd_debugging_lease_granted_total": sent[Op.LEASE_GRANT],
            "etcd_debugging_lease_renewed_total": sent[Op.LEASE_KEEP_ALIVE],
            "etcd_debugging_lease_revoked_total": sent[Op.LEASE_REVOKE],
        }

    def _calls(self) -> Iterator[str]:
        traffic = self._traffic
        yield from _family(
            "etcd_server_client_requests_total", "counter", "Calls by what clients say their version is."
        )
        for (kind, version), number in sorted(traffic.by_version.items()):
            labels = {"client_api_version": version, "type": kind}
            yield _sample("etcd_server_client_requests_total", number, labels)
        yield from _family("etcd_network_client_grpc_received_bytes_total", "counter", "Bytes of clients' messages.")
        yield _sample("etcd_network_client_grpc_received_bytes_total", traffic.received_bytes)
        yield from _family("etcd_network_client_grpc_sent_bytes_total", "counter", "Bytes of messages to clients.")
        yield _sample("etcd_network_client_grpc_sent_bytes_total", traffic.sent_bytes)
        yield from _family("grpc_server_handled_total", "counter", "Calls that have ended, by their status.")
        for op in PATHS:
            for number, code in enumerate(NAMES):
                yield _sample("grpc_server_handled_total", traffic.ended[op, number], _method(op, code))
        if traffic.handling:
            yield from _family("grpc_server_handling_seconds", "histogram", "How long calls took.")
            for op in PATHS:
                if op in traffic.handling:
                    yield from _histogram("grpc_server_handling_seconds", traffic.handling[op], _method(op))
        for name, counts, meaning in (
            ("grpc_server_msg_received_total", traffic.received, "Messages of clients."),
            ("grpc_server_msg_sent_total", traffic.sent, "Messages to clients."),
            ("grpc_server_started_total", traffic.started, "Calls that have begun."),
        ):
            yield from _family(name, "counter", meaning)
            for op in PATHS:
                yield _sample(name, counts[op], _method(op))


def _method(op: Op, code: str = "") -> Labels:
    _, service, method = PATHS[op].split("/")
    kind = "bidi_stream" if op in CLIENT_STREAMS else "server_stream" if op in STREAMS else "unary"
    labels = {"grpc_method": method, "grpc_service": service, "grpc_type": kind}
    return {"grpc_code": code, **labels} if code else labels


def _family(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, value: float, labels: Labels | None = None) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items()) if labels else ""
    return f"{name}{{{shown}}} {_number(value)}" if shown else f"{name} {_number(value)}"


def _histogram(name: str, durations: Durations, labels: Labels | None = None) -> Iterator[str]:
    labels = labels or {}
    below = 0
    for bound, counted in zip(durations.bounds, durations.counts, strict=False):
        below += counted
        yield _sample(f"{name}_bucket", below, {**labels, "le": _number(bound)})
    whole = below + durations.counts[-1]
    yield _sample(f"{name}_bucket", whole, {**labels, "le": "+Inf"})
    yield _sample(f"{name}_sum", durations.total, labels)
    yield _sample(f"{name}_count", whole, labels)


def _number(value: float) -> str:
    """As Go writes the shortest form: plain from 0.0001 to below a million, else with an exponent."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return str(int(value)) if value == int(value) else repr(value)
    _, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)  # it is finite
    power = len(digits) - 1 + exponent
    first, *rest = map(str, digits)
    mantissa = f"{first}.{''.join(rest)}" if rest else first
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process() -> Iterator[str]:
    """The process itself, as every exporter shows it; Linux only."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        descriptors = len(os.listdir("/proc/self/fd"))
        pages = Path("/proc/self/statm").read_text().split()
        stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError):
        return
    started = time.time() - uptime + int(stat[19]) / os.sysconf("SC_CLK_TCK")
    for name, kind, meaning, value in (
        ("os_fd_limit", "gauge", "How many files may be open.", limit),
        ("os_fd_used", "gauge", "How many files are open.", descriptors),
        ("process_cpu_seconds_total", "counter", "Seconds of processor time.", usage.ru_utime + usage.ru_stime),
        ("process_max_fds", "gauge", "How many files may be open.", limit),
        ("process_open_fds", "gauge", "How many files are open.", descriptors),
        ("process_resident_memory_bytes", "gauge", "Memory in use.", int(pages[1]) * resource.getpagesize()),
        ("process_start_time_seconds", "gauge", "When the process began, in seconds since 1970.", round(started, 2)),
        ("process_virtual_memory_bytes", "gauge", "Memory that is mapped.", int(pages[0]) * resource.getpagesize()),
    ):
        yield from _family(name, kind, meaning)
        yield _sample(name, value)
