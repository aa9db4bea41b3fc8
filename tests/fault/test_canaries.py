"""Canaries: secrets that are planted in the source, in keys and in the environment appear nowhere they should not.

Looked at are every stored byte, everything printed and logged, errors, the state directory, temporary files (those without a name
too), and what other users of the machine see of the process; over a good run, over failures of each step, and in the middle of one.
What a restore was asked for is the one place where the source's secrets belong.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers
from tests.backing_up import Cluster, small_history
from tests.blob_servers import S3Server
from tests.cli.test_repository import Desk
from tests.faulty_proxy import STALL, FaultyProxy
from tests.key_service_stand_ins import VaultStandIn

VALUE, KEY, FILE = b"canary-value-5b1f02d7", b"canary-key-9ad3e1c8", b"canary-companion-77e0c3"
PASSPHRASE, CLOUD = "canary-passphrase-31c8", "canary-cloud-secret-8e21"
PLANTED = (VALUE, KEY, FILE, PASSPHRASE.encode(), CLOUD.encode(), VaultStandIn.AGENT.encode())
SPELLINGS = [
    spelled
    for each in PLANTED
    for spelled in (
        each,
        each.hex().encode(),
        base64.b64encode(each).rstrip(b"=")[:-1],
        each.decode().encode("utf-16-le"),
    )
]
WAIT_SECONDS = 60.0


def planted_cluster() -> Cluster:
    cluster = small_history()
    for number in range(40):
        cluster.put(b"/registry/secrets/default/%s-%d" % (KEY, number), VALUE * 30)
    cluster.delete(b"/registry/secrets/default/%s-7" % KEY)
    return cluster


def seen_in(data: bytes) -> list[bytes]:
    return [each for each in SPELLINGS if each in data]


class Watched(Desk):
    """The commands; all that they print is looked at. `asked` are the files that may hold the source's secrets."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(directory, capsys)
        self.asked = {"source"}
        self.temporary = directory / "temporary"
        self.temporary.mkdir()
        self.source = directory / "source"
        self.source.mkdir()

    def run(self, *arguments: object, **environment: str) -> int:
        status = super().run(*arguments, "--log-format", "json", **{"TMPDIR": str(self.temporary), **environment})
        said = (self.out + self.err).encode()
        assert not seen_in(said), (arguments, seen_in(said))
        for secret in self.secrets():
            assert secret not in said, arguments
        return status

    def secrets(self) -> list[bytes]:
        """The private halves of keys."""
        found = []
        for file in (self.key, self.kit, *self.state.rglob("signing.key")):
            if file.exists():
                lines = file.read_bytes().split()
                found += [each for each in lines if each.startswith((b"AGE-SECRET-KEY-", b"BACKSTAY-SIGNING-KEY-"))]
        return found

    def look_everywhere(self) -> None:
        """No file but those asked for holds a canary; only the files of keys hold keys."""
        identities = [each for each in self.secrets() if each.startswith(b"AGE")]
        for path in self.directory.rglob("*"):
            inside = path.relative_to(self.directory).parts[0]
            if path.is_file() and inside not in self.asked:
                data = path.read_bytes()
                assert not seen_in(data), path
                assert path in (self.key, self.kit) or not any(each in data for each in identities), path
        assert not list(self.temporary.iterdir())


@pytest.fixture
def watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Watched]:
    desk = Watched(tmp_path, capsys)
    (desk.source / "pki").mkdir()
    (desk.source / "pki" / "ca.key").write_bytes(FILE * 20)
    with VaultStandIn() as vault:
        recipient = ("--recipient", f"vault={vault.public}", "--new-identity", desk.key, "--recovery-kit", desk.kit)
        environment = {**vault.environment(vault.AGENT), "BACKSTAY_PASSPHRASE": PASSPHRASE}
        assert desk.run("init", desk.place, *recipient, **environment) == 0, desk.err
        desk.vault = environment  # type: ignore[attr-defined]
        yield desk


def back_up(desk: Watched, cluster: Cluster, *options: object) -> int:
    path = cluster.file(desk.source / f"{cluster.revision}.db")
    companions = ("--with-companions", desk.source / "pki")
    return desk.run("backup", desk.place, "--from", path, *companions, *options, **desk.vault)  # type: ignore[attr-defined]


def test_nothing_planted_appears_where_it_was_not_asked_for(watched: Watched) -> None:
    desk, cluster = watched, planted_cluster()
    for number in range(3):
        assert back_up(desk, cluster) == 0, desk.err
        cluster.put(b"/registry/secrets/default/%s-new-%d" % (KEY, number), VALUE)
    desk.look_everywhere()
    copy = desk.directory / "copy"
    copy.mkdir()
    for status, arguments in (
        (0, ("list", desk.place, "-i", desk.key)),
        (0, ("show", desk.place, "-i", desk.key)),
        (0, ("verify", desk.place, "--all", "--level", "rebuilt", "-i", desk.key)),
        (0, ("check", desk.place, "--read-data")),
        (0, ("recipient", "test", desk.place, "-i", desk.key)),
        (3, ("kit", desk.place, "-i", desk.key)),
        (0, ("retention", "plan", desk.place)),
        (9, ("retention", "apply", desk.place, "--plan", "0" * 64)),
        (0, ("retention", "merge", desk.place, "-i", desk.key)),
        (0, ("retention", "sweep", desk.place, "--grace", "0")),
        (0, ("tag", desk.place, "latest", "kept")),
        (0, ("keys", desk.place, "--count", "-i", desk.key)),
        (0, ("copy", desk.place, copy)),
        (0, ("verify", copy, "--all", "--level", "rebuilt", "-i", desk.kit)),
        (0, ("restore", desk.place, "--to", desk.directory / "asked.db", "-i", desk.key)),
        (0, ("restore", copy, "--companions", desk.directory / "asked", "-i", desk.key)),
    ):
        assert desk.run(*arguments) == status, (arguments, desk.err)
    desk.asked |= {"asked.db", "asked"}
    desk.look_everywhere()
    assert VALUE in (desk.directory / "asked.db").read_bytes()


def test_nothing_planted_appears_in_any_failure(watched: Watched) -> None:
    desk, cluster = watched, planted_cluster()
    assert back_up(desk, cluster) == 0
    target = desk.directory / "asked.db"
    whole = {path: path.read_bytes() for path in desk.place.rglob("*") if path.is_file()}
    for path, data in whole.items():
        changed = bytearray(data)
        changed[len(data) // 2] ^= 0x55
        path.write_bytes(changed)
        desk.run("restore", desk.place, "--to", target, "-i", desk.key)
        desk.run("verify", desk.place, "--level", "rebuilt", "-i", desk.key)
        target.unlink(missing_ok=True)
        path.write_bytes(data)
    # A source with a broken record, one that is cut off, wrong keys, wrong passphrases, and places that are none.
    broken = desk.source / "broken.db"
    data = bytearray(cluster.file(broken).read_bytes())
    at = data.index(VALUE)
    data[at - 2 : at] = b"\xff\xff"  # the length of a value
    broken.write_bytes(data)
    assert desk.run("backup", desk.place, "--from", broken) == 4
    broken.write_bytes(bytes(data)[: len(data) // 2])
    assert desk.run("backup", desk.place, "--from", broken) != 0
    (desk.directory / "other.key").write_text(
        "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG\n"
    )
    assert desk.run("restore", desk.place, "--to", target, "-i", desk.directory / "other.key") == 7
    assert desk.run("restore", desk.place, "--to", target, BACKSTAY_PASSPHRASE=f"{PASSPHRASE}x") == 7
    assert desk.run("backup", desk.directory / "nowhere", "--from", broken) != 0
    assert (
        desk.run("recipient", "add", desk.place, "x", (desk.key.read_text().split()[-1]), "--root-key", desk.kit) == 2
    )
    desk.look_everywhere()


def test_a_backup_that_is_under_way_shows_nothing_to_the_machine_and_leaves_nothing_when_it_is_killed(
    watched: Watched, tmp_path: Path
) -> None:
    desk, cluster = watched, planted_cluster()
    path = cluster.file(desk.source / "one.db")
    (tmp_path / "server").mkdir()
    with S3Server(peers.tool("versitygw"), tmp_path / "server") as server, FaultyProxy(server.port) as proxy:
        location = server.location("repository").replace(str(server.port), str(proxy.port))
        environment = {"PATH": os.environ["PATH"], "TMPDIR": str(desk.temporary), "BACKSTAY_STATE_DIR": str(desk.state)}
        environment |= {**server.environment, "BACKSTAY_PASSPHRASE": PASSPHRASE}
        made = ("init", location, "--new-identity", tmp_path / "two.key", "--recovery-kit", tmp_path / "two.kit")
        assert desk.run(*made, **environment) == 0, desk.err
        proxy.behave(STALL)
        command = [sys.executable, "-m", "backstay", "backup", location, "--from", str(path)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while proxy.open_connections == 0 and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            visible = Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/comm").read_bytes()
            assert not seen_in(visible)
            for each in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if each.resolve() != path and (each.is_file() or "(deleted)" in os.readlink(each)):
                        assert not seen_in(each.read_bytes()), os.readlink(each)
        finally:
            process.kill()
            said, _ = process.communicate()
        assert not seen_in(said)
    desk.asked |= {"server", "two.key", "two.kit"}
    for left in list(desk.temporary.iterdir()):
        assert not any(seen_in(each.read_bytes()) for each in left.rglob("*") if each.is_file())
        shutil.rmtree(left)
    desk.look_everywhere()
    for each in (tmp_path / "server").rglob("*"):
        assert not each.is_file() or not seen_in(each.read_bytes()), each
