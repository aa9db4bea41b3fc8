"""`backstay serve` as its users meet it: etcd's flags, log lines and signals; clear errors that change nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from backstay import errors
from backstay.errors import BackstayError, ExitStatus
from backstay.testing import Certificates, Etcd

SECONDS = 60.0


def backstay(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    command = [sys.executable, "-m", "backstay", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ, **(environment or {})}
    )


def log_of(etcd: Etcd) -> list[dict[str, object]]:
    return [json.loads(line) for line in etcd.log.splitlines()]


def put(etcd: Etcd, key: bytes, value: bytes) -> None:
    with etcd.client() as client:
        client.kv.put(key, value)


def value_of(etcd: Etcd, key: bytes) -> bytes | None:
    with etcd.client() as client:
        found = client.kv.get(key)
    return found.value if found is not None else None


def digests(directory: Path) -> dict[str, str]:
    files = sorted(each for each in directory.rglob("*") if each.is_file())
    return {str(each.relative_to(directory)): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


@contextmanager
def listening() -> Iterator[int]:
    """Somebody else's port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


def test_it_says_what_etcd_says_and_ends_with_status_0_when_told_to() -> None:
    with Etcd(flags={"log-level": "info"}) as etcd:
        put(etcd, b"a", b"1")
        pid = etcd.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert etcd.wait() == 0
        said = [line["msg"] for line in log_of(etcd)]
        for expected in (
            "starting an etcd server",
            "ready to serve client requests",
            "serving client traffic insecurely; this is strongly discouraged!",
            "received signal; shutting down",
            "closed etcd server",
        ):
            assert expected in said
        ready = next(line for line in log_of(etcd) if "insecurely" in str(line["msg"]))
        assert ready["address"] == etcd.address
        assert ready["traffic"] == "grpc+http"


def test_the_log_may_be_for_people_and_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "etcd.log"
    with Etcd(flags={"log-format": "console", "log-outputs": str(path), "log-level": "warn"}) as etcd:
        assert etcd.log == ""
        etcd.stop()
    assert all("\twarn\t" in line for line in path.read_text().splitlines())


def refused(
    status: ExitStatus, kind: errors.ErrorKind, *arguments: str, environment: dict[str, str] | None = None
) -> str:
    """Run `backstay serve`, which must end with this status, this error and no traceback; what it said."""
    done = backstay("serve", *arguments, environment=environment)
    assert done.returncode == status, done.stderr
    assert f"code: {kind.code}" in done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_directory_is_founded_with_those_above_it_as_etcd_does(tmp_path: Path) -> None:
    with Etcd(tmp_path / "not/there/yet", in_process=True) as etcd:
        put(etcd, b"a", b"1")
    assert (tmp_path / "not").stat().st_mode & 0o777 == 0o700


def test_a_port_that_is_taken_is_named_and_nothing_is_founded(tmp_path: Path) -> None:
    with listening() as port:
        url = f"http://127.0.0.1:{port}"
        said = refused(
            ExitStatus.ERROR, errors.LISTENING_FAILED, "--data-dir", str(tmp_path / "data"), "--listen-client-urls", url
        )
    assert str(port) in said
    assert not (tmp_path / "data").exists()


def test_a_directory_in_use_is_named_and_left_alone(tmp_path: Path) -> None:
    with Etcd(tmp_path / "data", in_process=True) as etcd:
        put(etcd, b"a", b"1")
        said = refused(
            errors.DIRECTORY_IN_USE.exit_status,
            errors.DIRECTORY_IN_USE,
            f"--data-dir={tmp_path / 'data'}",
            "--listen-client-urls=http://127.0.0.1:0",
        )
        assert "in use" in said
        assert value_of(etcd, b"a") == b"1"


@pytest.mark.parametrize(
    "arguments, kind",
    [
        (["--initial-cluster", "a=http://127.0.0.1:2380,b=http://127.0.0.1:3380"], errors.SEVERAL_MEMBERS_WANTED),
        (["--initial-cluster-state", "existing"], errors.SEVERAL_MEMBERS_WANTED),
        (["--wal-dir", "elsewhere"], errors.SETTING_UNSUPPORTED),
        (["--discovery-srv", "example.com"], errors.SETTING_UNSUPPORTED),
        (["--snapshot-count", "many"], errors.SETTING_INVALID),
        (["--listen-client-urls", "https://127.0.0.1:0"], errors.SETTING_INVALID),
        (["--config-file", "absent.yaml"], errors.SOURCE_NOT_FOUND),
        (["--at-revision", "5"], errors.USAGE),
        (["--nope"], errors.USAGE),
        (["surplus"], errors.USAGE),
    ],
)
def test_settings_that_cannot_be_served_are_refused(
    tmp_path: Path, arguments: list[str], kind: errors.ErrorKind
) -> None:
    said = refused(kind.exit_status, kind, f"--data-dir={tmp_path / 'data'}", *arguments)
    assert arguments[0].lstrip("-") in said
    assert not (tmp_path / "data").exists()


def test_a_file_system_that_cannot_be_written_is_an_error() -> None:
    refused(
        ExitStatus.KEY_OR_PERMISSION,
        errors.TARGET_UNWRITABLE,
        "--data-dir=/sys/backstay-test",
        "--listen-client-urls=http://127.0.0.1:0",
    )


def test_a_key_of_another_certificate_is_an_error_before_anything_is_founded(tmp_path: Path) -> None:
    one, other = Certificates.make(tmp_path / "one"), Certificates.make(tmp_path / "other")
    refused(
        ExitStatus.KEY_OR_PERMISSION,
        errors.SERVER_CERTIFICATE_UNUSABLE,
        f"--data-dir={tmp_path / 'data'}",
        "--listen-client-urls=https://127.0.0.1:0",
        f"--cert-file={one.server_certificate}",
        f"--key-file={other.server_key}",
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", ["--data-dir", "--from"])
def test_a_damaged_database_is_named_with_the_place_and_left_alone(tmp_path: Path, option: str) -> None:
    with Etcd(tmp_path / "data", in_process=True) as etcd, etcd.client() as client:
        for number in range(20):
            client.kv.put(b"%d" % number, bytes(4000))
        client.maintenance.defragment()
    database = tmp_path / "data/member/snap/db"
    with database.open("r+b") as file:
        for page in range(2, file.seek(0, 2) // 4096, 2):
            file.seek(page * 4096)
            file.write(b"\xde\xad" * 64)
    before = digests(tmp_path)
    url = "--listen-client-urls=http://127.0.0.1:0"
    said = refused(ExitStatus.VERIFICATION_FAILED, errors.FORMAT_INVALID, f"{option}={tmp_path / 'data'}", url)
    assert ("member/snap/db" if option == "--data-dir" else str(tmp_path / "data")) in said
    assert "offset" in said
    assert digests(tmp_path) == before


def test_a_flag_and_a_variable_for_one_setting_are_refused_as_in_etcd(tmp_path: Path) -> None:
    arguments = [f"--data-dir={tmp_path / 'data'}", "--name=a"]
    refused(ExitStatus.USAGE, errors.SETTING_INVALID, *arguments, environment={"ETCD_NAME": "b"})


def served_certificate(etcd: Etcd) -> bytes:
    """The certificate that a client sees."""
    files = etcd.certificates
    assert files is not None
    context = ssl.create_default_context(cafile=str(files.authority))
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    raw = socket.create_connection(("127.0.0.1", etcd.port), timeout=SECONDS)
    with context.wrap_socket(raw, server_hostname="localhost") as connection:
        return connection.getpeercert(binary_form=True) or b""


def test_sighup_reads_certificates_again_and_keeps_the_old_ones_when_the_new_are_no_good(tmp_path: Path) -> None:
    files = Certificates.make(tmp_path / "pki")
    heeded = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup a child would ignore it, as it should
    try:
        etcd = Etcd(certificates=files)
        etcd.start()
    finally:
        signal.signal(signal.SIGHUP, heeded)
    with etcd:
        before = served_certificate(etcd)
        for path in (files.server_certificate, files.server_key):
            path.unlink()
        Certificates.make(tmp_path / "pki")  # gives what is missing anew
        hang_up(etcd, "certificates reloaded")
        after = served_certificate(etcd)
        assert after != before
        files.server_certificate.write_text("no certificate")
        hang_up(etcd, "certificates cannot be reloaded; the old ones stay in use")
        assert served_certificate(etcd) == after
        put(etcd, b"a", b"1")


def hang_up(etcd: Etcd, expected: str) -> None:
    """Send SIGHUP and wait until the log has the expected line once more."""
    assert etcd.pid is not None
    before = etcd.log.count(expected)
    os.kill(etcd.pid, signal.SIGHUP)
    wait_until(lambda: etcd.log.count(expected) > before)


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_http_metrics_and_unix_sockets_have_addresses_of_their_own(tmp_path: Path) -> None:
    sock = tmp_path / "s"
    flags = {
        "listen-client-urls": f"http://127.0.0.1:0,unix://{sock}",
        "listen-client-http-urls": "http://127.0.0.1:0",
        "listen-metrics-urls": "http://127.0.0.1:0",
    }
    with Etcd(flags=flags) as etcd:
        put(etcd, b"a", b"1")
        places = {str(line["traffic"]): str(line["address"]) for line in log_of(etcd) if "traffic" in line}
        assert json.loads(fetched(f"http://{places['http']}/version"))["etcdserver"] == "3.7.3"
        assert "etcd_server_has_leader 1" in fetched(f"http://{places['metrics']}/metrics")
        from backstay.etcd import Client, ConnectionOptions

        with Client(ConnectionOptions.of([f"unix:{sock}"])) as client:
            found = client.kv.get(b"a")
            assert found is not None
            assert found.value == b"1"
    assert not sock.exists()


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return str(answer.read().decode())


def test_a_certificate_made_on_the_spot_is_kept(tmp_path: Path) -> None:
    flags = {"auto-tls": "true", "listen-client-urls": "https://127.0.0.1:0"}
    for _ in range(2):
        with Etcd(tmp_path / "data", flags=flags) as etcd:
            certificate = tmp_path / "data/fixtures/client/cert.pem"
            from backstay.etcd import Client, ConnectionOptions, Credentials

            options = ConnectionOptions.of([f"https://{etcd.address}"], Credentials(cacert=str(certificate)))
            with Client(options) as client:
                client.kv.put(b"a", b"1")
    assert (tmp_path / "data/fixtures/client/key.pem").stat().st_mode & 0o777 == 0o600


# --- a backup, read-only ---


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """A directory with `data`, a data directory whose log has a tail, and `snapshot.db`; revisions 2 to 6."""
    with Etcd(tmp_path / "data", in_process=True) as etcd:
        with etcd.client() as client:
            for value in (b"1", b"2", b"3"):
                client.kv.put(b"a", value)
            client.kv.delete_range(b"a")
            client.kv.put(b"b", b"1")
        etcd.snapshot(tmp_path / "snapshot.db")
    return tmp_path


@pytest.mark.parametrize("name", ["data", "snapshot.db"])
def test_a_backup_is_served_at_once_and_not_changed(backups: Path, name: str) -> None:
    before = digests(backups)
    with serving_backup(backups / name) as etcd:
        assert log_of(etcd)[0]["backup"] == str(backups / name)
        assert (value_of(etcd, b"a"), value_of(etcd, b"b")) == (None, b"1")
        with etcd.client() as client:
            assert client.kv.get(b"a", revision=3).value == b"2"  # type: ignore[union-attr]
            with pytest.raises(BackstayError) as caught:
                client.kv.put(b"a", b"4")
            assert "read-only" in str(caught.value)
            assert client.maintenance.status().header.revision == 6
    assert digests(backups) == before


@pytest.mark.parametrize("name", ["data", "snapshot.db"])
def test_a_backup_is_served_as_it_was_at_a_revision(backups: Path, tmp_path: Path, name: str) -> None:
    with serving_backup(backups / name, "3") as etcd:
        assert (value_of(etcd, b"a"), value_of(etcd, b"b")) == (b"2", None)
        with etcd.client() as client:
            assert client.maintenance.status().header.revision == 3
            with pytest.raises(BackstayError):
                client.kv.get(b"a", revision=4)
            expected = client.maintenance.hash_kv().hash
        from backstay.formats.hashkv import CURRENT_RULE
        from backstay.snapshot.hash import hash_kv_of
        from backstay.snapshot.opened import open_file
        from backstay.values import Revision

        with open_file(etcd.snapshot(tmp_path / "view.db")) as view:
            assert view.revision == 3
            assert hash_kv_of(view, Revision(0), CURRENT_RULE).hash == expected


@contextmanager
def serving_backup(source: Path, at_revision: str = "") -> Iterator[Etcd]:
    flags = {"from": str(source), **({"at-revision": at_revision} if at_revision else {})}
    with Etcd(flags=flags) as etcd:
        yield etcd


@pytest.mark.parametrize("at, kind", [("7", errors.REVISION_FUTURE), ("2", errors.REVISION_COMPACTED)])
def test_a_revision_that_the_backup_does_not_have_is_an_error(tmp_path: Path, at: str, kind: errors.ErrorKind) -> None:
    with Etcd(in_process=True) as etcd:
        with etcd.client() as client:
            for value in (b"1", b"2", b"3"):
                client.kv.put(b"a", value)
            client.kv.compact(3)
        path = etcd.snapshot(tmp_path / "snapshot.db")
    url = "--listen-client-urls=http://127.0.0.1:0"
    refused(kind.exit_status, kind, f"--from={path}", f"--at-revision={at}", url)


def test_what_is_no_backup_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nothing" * 9999)
    url = "--listen-client-urls=http://127.0.0.1:0"
    refused(errors.FORMAT_INVALID.exit_status, errors.FORMAT_INVALID, f"--from={tmp_path / 'file'}", url)
    refused(errors.SOURCE_UNKNOWN.exit_status, errors.SOURCE_UNKNOWN, f"--from={tmp_path}", url)
    refused(errors.SOURCE_NOT_FOUND.exit_status, errors.SOURCE_NOT_FOUND, f"--from={tmp_path / 'absent'}", url)


# --- what does not serve ---


def test_the_plan_is_shown_and_nothing_changed(tmp_path: Path) -> None:
    arguments = ("serve", "--dry-run", f"--data-dir={tmp_path / 'data'}", "--peer-cert-file=x", "--name=a")
    done = backstay(*arguments)
    assert done.returncode == 0
    assert "to be founded" in done.stdout
    assert "a single member has no peers" in done.stdout
    plan = json.loads(backstay(*arguments, "-o", "json").stdout)
    assert plan["founds"] is True
    assert plan["name"] == "a"
    assert not (tmp_path / "data").exists()


def test_a_unit_is_printed_for_the_flags_given() -> None:
    done = backstay("serve", "--print-systemd-unit", "--data-dir", "/var/lib/my store", "-auto-tls")
    assert done.returncode == 0
    assert f"ExecStart={sys.executable} \\\n    -m \\\n    backstay \\\n    serve " in done.stdout
    assert f"WorkingDirectory={Path.cwd()}\n" in done.stdout
    assert '"--data-dir=/var/lib/my store"' in done.stdout
    assert "--auto-tls=true" in done.stdout


def test_the_version_is_the_one_that_clients_see() -> None:
    assert backstay("serve", "--version").stdout.splitlines()[0] == "etcd Version: 3.7.3"


def test_the_installed_program_takes_the_same_flags() -> None:
    program = shutil.which("backstay", path=str(Path(sys.executable).parent))
    assert program is not None
    command: Sequence[str] = (program, "serve", "--dry-run", "-listen-client-urls=http://127.0.0.1:0")
    assert subprocess.run(command, capture_output=True, check=False, timeout=SECONDS).returncode == 0
