"""Metrics in Prometheus' format, in a file that is replaced whole, and pushed; what is not known has no sample."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from backstay import errors
from backstay.durable import LocalDisk
from backstay.jobs.automation.journal import CopyMemory, RunMemory
from backstay.jobs.automation.metrics import COPY_UP, LAST_SUCCESS, Sample, exposition, samples
from backstay.jobs.automation.promised import promised
from backstay.jobs.automation.publishing import push, write_textfile
from backstay.policy.copies import CopyPlace
from backstay.policy.schedule import Run
from backstay.policy.tiers import BUILT_IN

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
PROMISE = promised("prod", "fra", BUILT_IN["critical"])
PLACES = {"near": CopyPlace("disk", "fra", object_store=False, plain=True)}


class Gateway(HTTPServer):
    """A Pushgateway that keeps what it is sent."""

    requests: list[tuple[str, str, str, str | None]]
    status = 200


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append((self.command, self.path, body, self.headers["Authorization"]))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"said so")

    do_POST = do_PUT

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(("127.0.0.1", 0), _Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_is_not_known_has_no_sample_and_a_failure_moves_no_success() -> None:
    def values(memory: RunMemory) -> dict[str, float]:
        return {each.metric.name: each.value for each in samples(PROMISE, PLACES, memory, NOW, "agent")}

    assert LAST_SUCCESS.name not in values(RunMemory())
    assert "backstay_measured_rto_seconds" not in values(RunMemory())
    good = CopyMemory().after(Run(NOW, NOW, good=True), "")
    bad = good.after(Run(NOW + timedelta(minutes=13), NOW + timedelta(minutes=14), good=False), "storage-full")
    before, after = values(RunMemory({"near": good})), values(RunMemory({"near": bad}))
    assert before[LAST_SUCCESS.name] == after[LAST_SUCCESS.name] == NOW.timestamp()
    assert (before[COPY_UP.name], after[COPY_UP.name]) == (1, 0)


def test_the_text_is_what_prometheus_reads() -> None:
    text = exposition([Sample(COPY_UP, ('pro"d\n', "a\\b"), 1.0), Sample(COPY_UP, ("x", "y"), 0.0)])
    assert text.splitlines() == [
        f"# HELP {COPY_UP.name} {COPY_UP.help}",
        f"# TYPE {COPY_UP.name} gauge",
        'backstay_copy_up{cluster="pro\\"d\\n",copy="a\\\\b"} 1.0',
        'backstay_copy_up{cluster="x",copy="y"} 0.0',
    ]
    assert exposition([]) == ""


def test_the_file_is_replaced_whole_and_readable_by_the_collector(tmp_path: Path) -> None:
    file = tmp_path / "backstay.prom"
    for text in ("first\n", "second\n"):
        write_textfile(LocalDisk(), file, text)
        assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["backstay.prom"]
    with pytest.raises(errors.BackstayError) as caught:
        write_textfile(LocalDisk(), tmp_path / "absent" / "x.prom", "text")
    assert caught.value.kind is errors.METRICS_UNSENT


def test_a_push_replaces_its_group_or_only_adds(gateway: Gateway) -> None:
    address = f"http://user:pass%20word@127.0.0.1:{gateway.server_port}/base/"
    push(address, [("cluster", "a/b"), ("role", "agent")], "text\n")
    push(address, [("cluster", "c")], "text\n", replace=False)
    first, second = gateway.requests
    assert first[:3] == ("PUT", "/base/metrics/job/backstay/cluster/a%2Fb/role/agent", "text\n")
    assert first[3] == "Basic dXNlcjpwYXNzIHdvcmQ="
    assert second[:2] == ("POST", "/base/metrics/job/backstay/cluster/c")


@pytest.mark.parametrize("address", ["", "pushgateway:9091", "ftp://h", "http://", "http://h:x", "http://127.0.0.1:1"])
def test_a_push_that_fails_says_where_and_never_the_password(address: str) -> None:
    with pytest.raises(errors.BackstayError) as caught:
        push(address.replace("http://1", "http://user:hunter2@1"), [("cluster", "c")], "text\n")
    assert caught.value.kind is errors.METRICS_UNSENT
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}"


def test_a_gateway_that_refuses_is_quoted(gateway: Gateway) -> None:
    gateway.status = 400
    with pytest.raises(errors.BackstayError, match="400 said so"):
        push(f"http://127.0.0.1:{gateway.server_port}", [("cluster", "c")], "text\n")
