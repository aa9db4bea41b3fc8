"""`backstay ctl` prints what etcdctl prints: one script of some 400 invocations through both, on servers with one history.

Both servers have the same member id and cluster id, because those are made of the advertised peer address and the token.
Most steps of ours run in this process, because a Python takes longer to start than all else; those that are interrupted
or start a program get a process of their own.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme

from backstay.cli.main import run as run_backstay
from backstay.etcd import AlarmType, Client, ConnectionOptions
from backstay.etcd.transport.calls import Caller
from tests import peers
from tests.compat.etcdctl_running import Program
from tests.compat.etcdctl_script import (
    MUTUAL,
    STEPS_WITH_GROWTH,
    Look,
    Normaliser,
    Outcome,
    Run,
    Step,
    comparable,
    ctl,
    formats,
    replay,
)
from tests.etcd_process import EtcdCluster, EtcdProcess, Tls

VERSION = "3.7.3"
OURS = (sys.executable, "-m", "backstay", "ctl")
SAME_IDS = (
    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    "--initial-cluster=default=http://127.0.0.1:2380",
)


@dataclass(frozen=True)
class InProcess:
    """Runs `backstay ctl` here where a step allows it, else as a program."""

    flags: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, step: Step) -> Outcome:
        starts_program = step.arguments[0] in ("lock", "watch") and len(step.arguments) > 3
        if step.until or starts_program:
            return Program(OURS, self.flags, self.environment)(step)
        user = (f"--user={step.user}",) if step.user else ()
        with streams(step.input) as (stdout, stderr):
            environment = {**self.environment, **dict(step.environment)}
            status = run_backstay(["ctl", *self.flags, *user, *step.arguments], environment)
        return Outcome(*(each.getvalue().decode(errors="backslashreplace") for each in (stdout, stderr)), status)


@contextlib.contextmanager
def streams(text: str) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """The three standard streams as bytes in memory."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
    sys.stdout, sys.stderr = io.TextIOWrapper(stdout), io.TextIOWrapper(stderr, errors="backslashreplace")
    try:
        yield stdout, stderr
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.detach()  # type: ignore[union-attr]
        sys.stdin, sys.stdout, sys.stderr = before


@pytest.fixture(autouse=True)
def closing_together(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closing a gRPC channel waits 0.2 s for its own thread; the hundreds of a script wait together at its end."""
    close = Caller.close
    with ThreadPoolExecutor(16) as pool:
        monkeypatch.setattr(Caller, "close", lambda caller: pool.submit(close, caller) and None)
        yield


def server(place: Path, tls: Tls | None = None, version: str = VERSION) -> EtcdProcess:
    return EtcdProcess(peers.peer(version), place, tls=tls, extra_args=SAME_IDS)


def outcomes(steps: Sequence[Step], run: Run, etcd: EtcdProcess, directory: Path) -> list[tuple[Step, Outcome]]:
    return list(replay(steps, run, {"address": etcd.address, "directory": str(directory)}))


def differences(theirs: list[tuple[Step, Outcome]], ours: list[tuple[Step, Outcome]]) -> list[str]:
    """What is not the same, one text for each step; our name stands where etcdctl's stands."""
    found = []
    for (step, wanted), (_, got) in zip(theirs, ours, strict=True):
        got = replace(got, stderr=got.stderr.replace("backstay ctl", "etcdctl"))
        if wanted != got:
            found.append(f"{step} < {step.input!r}\n  etcdctl  {wanted}\n  backstay {got}")
    return found


def test_every_invocation_prints_what_etcdctl_prints(tmp_path: Path) -> None:
    assert len(STEPS_WITH_GROWTH) >= 150
    both_tools(STEPS_WITH_GROWTH, tmp_path, VERSION)


def both_tools(steps: Sequence[Step], place: Path, version: str) -> None:
    """Replay the steps with etcdctl 3.7.3 and with ours, each on an empty server of the version."""
    with server(place / "theirs", version=version) as etcd:
        flags = (f"--endpoints={etcd.address}",)
        theirs = outcomes(steps, Program([str(peers.peer(VERSION).etcdctl)], flags), etcd, etcd.data_dir)
    with server(place / "ours", version=version) as etcd:
        ours = outcomes(steps, InProcess((f"--endpoints={etcd.address}",)), etcd, etcd.data_dir)
    found = differences(theirs, ours)
    assert not found, "\n".join(found)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Certificates for a server that demands one; the client's common name is `root`."""
    place = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(place / "ca.pem"))
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    for name, names in (("server", ("127.0.0.1", "localhost")), ("client", ("client.invalid",))):
        issued = authority.issue_cert(*names, common_name="root" if name == "client" else None, not_after=tomorrow)
        (place / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(place / f"{name}_key.pem"))
    return Tls(*(place / f"{name}.pem" for name in ("ca", "server", "server_key", "client", "client_key")))


def test_the_same_with_certificates_and_from_variables(tmp_path: Path, tls: Tls) -> None:
    files = {"cacert": tls.authority, "cert": tls.client_certificate, "key": tls.client_key}
    with server(tmp_path / "theirs", tls) as etcd:
        flags = (f"--endpoints={etcd.endpoint}", *(f"--{name}={path}" for name, path in files.items()))
        theirs = outcomes(MUTUAL, Program([str(etcd.peer.etcdctl)], flags), etcd, etcd.data_dir)
    with server(tmp_path / "ours", tls) as etcd:
        variables = {f"ETCDCTL_{name.upper()}": str(path) for name, path in files.items()}
        run = InProcess((), {**variables, "ETCDCTL_ENDPOINTS": etcd.endpoint})
        ours = outcomes(MUTUAL, run, etcd, etcd.data_dir)
    found = differences(theirs, ours)
    assert not found, "\n".join(found)


def on_the_same_server(steps: Sequence[Step], etcd: EtcdProcess, endpoints: str) -> None:
    """Both tools ask the same server, so that nothing at all may differ but what a step says."""
    flags = (f"--endpoints={endpoints}",)
    for step in steps:
        theirs, ours = (
            comparable(step, run(step), {}) for run in (Program([str(etcd.peer.etcdctl)], flags), InProcess(flags))
        )
        assert ours == theirs, step


def test_raised_alarms_are_shown_as_etcdctl_shows_them(tmp_path: Path) -> None:
    with server(tmp_path / "etcd") as etcd:
        with Client(ConnectionOptions.of([etcd.endpoint])) as client:
            member = client.maintenance.status().header.member_id
            client.maintenance.activate_alarm(member, AlarmType.NOSPACE)
            client.maintenance.activate_alarm(member, AlarmType.CORRUPT)
        anyhow = {"stdout": Look.ANY_ORDER, "stderr": Look.ANY_ORDER}
        steps = (
            *formats("alarm", "list", only="simple json fields", **anyhow),
            *formats(
                "endpoint",
                "health",
                only="simple json table fields",
                normalisers=(Normaliser.TOOK, Normaliser.WIDTHS),
                **anyhow,
            ),
            *formats("endpoint", "status", only="simple json table fields", **anyhow),
            *formats("put", "key", "value", only="simple json"),
        )
        on_the_same_server(steps, etcd, etcd.address)
        flags = (f"--endpoints={etcd.address}",)
        disarmed = InProcess(flags)(Step(("alarm", "disarm")))
        assert sorted(re.findall(r"alarm:(\w+)", disarmed.stdout)) == ["CORRUPT", "NOSPACE"]
        assert InProcess(flags)(Step(("put", "key", "value"))) == Outcome("OK\n", "", 0)


def test_three_members_are_shown_as_etcdctl_shows_them(tmp_path: Path) -> None:
    with EtcdCluster(peers.peer(VERSION), tmp_path) as cluster:
        first = next(iter(cluster.members.values()))
        with contextlib.ExitStack() as stack:
            statuses = {
                name: stack.enter_context(Client(ConnectionOptions.of([member.endpoint]))).maintenance.status()
                for name, member in cluster.members.items()
            }
        follower = next(name for name, status in statuses.items() if not status.is_leader)
        target = f"{statuses[follower].header.member_id:x}"
        alone = cluster.members[follower].endpoint
        on_the_same_server(
            (
                *formats("member", "list", only="simple json table fields protobuf"),
                *formats("endpoint", "status", "--cluster", only="simple table", normalisers=(Normaliser.RAFT,)),
                *formats("endpoint", "hashkv", "--cluster", only="simple json table fields"),
                ctl("endpoint", "health", "--cluster", normalisers=(Normaliser.TOOK,), stdout=Look.ANY_ORDER),
            ),
            first,
            first.address,
        )
        several = formats("endpoint", "status", only="simple json table fields", normalisers=(Normaliser.RAFT,))
        on_the_same_server(several, first, cluster.endpoints)
        on_the_same_server((ctl("move-leader", target),), first, alone)
        moved = InProcess((f"--endpoints={cluster.endpoints}",))(Step(("move-leader", target)))
        assert re.fullmatch(rf"Leadership transferred from [0-9a-f]+ to {target}\n", moved.stdout), moved
