"""The hosts on which the guide's sessions run: a scratch kubeadm layout with one thing wrong, the thing that a page is about."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from backstay.cli.main import run
from backstay.cluster.host import DiskSpace, LocalHost
from backstay.store.durable import open_store
from backstay.testing import Etcd
from tests import golden, peers
from tests.docs.course_scenes import course, course_served
from tests.docs.guide_runner import SERVED
from tests.docs.key_scenes import key_holders
from tests.docs.retention_scenes import two_a_day, two_a_day_marked
from tests.docs.shop_scenes import shop_backups, shop_folder
from tests.evenings import damage_pages, fill_disk, free_space, small_disk
from tests.kubelet import ControlPlane
from tests.recovering import fill, save
from tests.storing import put

NOBODY_LISTENS = 1
BACKUP = "backup/etcd-backup-20261120-180000.db"
FLAGS = ("--name=control-plane", "--data-dir=/var/lib/etcd", "--initial-cluster=control-plane=http://127.0.0.1:2380")

_STRANGER = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""

Scene = Callable[[Path, pytest.MonkeyPatch], Iterator[None]]


def nothing(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """For commands that look at no host."""
    yield


def dead_etcd(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sound data, and no process."""
    _host(root, patch)
    yield


def damaged(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages of the database are overwritten."""
    _host(root, patch)
    _damage(root)
    yield


def full_disk(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing left on the disk; the data is sound."""
    _host(root, patch, available=0)
    yield


def full_disk_damaged(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing left on the disk, and pages of the database are overwritten."""
    _host(root, patch, available=0)
    _damage(root)
    yield


def over_quota(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database is as large as its quota."""
    _host(root, patch, "--quota-backend-bytes=16384")
    yield


def expired_certificate(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server's certificate was valid until three days ago."""
    _host(root, patch, *_certificate(root, not_after=datetime.now(UTC) - timedelta(days=3, hours=1)))
    yield


def wrong_certificate(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server's key belongs to another certificate."""
    _host(root, patch, *_certificate(root))
    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_pem.write_to_path(str(root / "etc/kubernetes/pki/etcd/server.key"))
    yield


def taken_port(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody else listens where etcd should."""
    # On a scratch root only processes count whose arguments lie below it.
    program = root / "usr/sbin/haproxy"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).resolve())
    command = [str(program), "-I", "-S", "-c", _STRANGER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stranger:
        assert stranger.stdout is not None
        _host(root, patch, port=int(stranger.stdout.readline()))
        yield
        stranger.communicate("")


def friday_evening(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real control plane whose disk filled up and whose database is damaged; what filled the disk is removed already."""
    peer = peers.peer(peers.VERSIONS[-1])
    patch.setenv("PATH", str(peer.etcd.parent))
    (root / "backup").mkdir(parents=True)
    with small_disk(root / "var/lib") as is_mounted, ControlPlane(root, peer, starts=is_mounted) as plane:
        if not is_mounted:
            plane.write_manifest("etcd", plane.etcd_command("--quota-backend-bytes=8388608"))
            plane.kubelet.go_on()
        plane.wait_ready()
        fill(plane, 300)
        save(plane, root / BACKUP)
        fill_disk(plane)
        damage_pages(plane)
        free_space(plane)
        plane.kubelet.go_on()
        yield


def one_store(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The directory of an embedded store that was stopped; the cluster that it becomes ends with the scene."""
    patch.setenv("PATH", str(peers.peer(peers.VERSIONS[-1]).etcd.parent))
    (root / "var/lib").mkdir(parents=True)
    store = open_store(root / "var/lib/store")
    for number in range(100):
        put(store, f"key-{number}", "value" * 20)
    store.close()
    try:
        yield
    finally:
        place = root / "var/lib/three"
        if (place / "cluster.json").exists():
            run(["cluster", "down", "--directory", str(place), "--quiet"], {})


def served_store(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The embedded store, empty, served."""
    with Etcd(in_process=True) as etcd:
        root.mkdir()
        (root / SERVED).write_text(etcd.address)
        yield


def served_backup(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A backup with one key of three revisions, served."""
    (root / "backup").mkdir(parents=True)
    with Etcd(in_process=True) as etcd:
        with etcd.client() as client:
            for value in (b"blue", b"green", b"red"):
                client.kv.put(b"color", value)
        etcd.snapshot(root / "backup/etcd.db")
    with Etcd(flags={"from": str(root / "backup/etcd.db")}) as etcd:
        (root / SERVED).write_text(etcd.address)
        yield


def automated(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A served cluster with a few keys, three empty places, and the backstay.toml that names them, in the current directory."""
    for place in ("srv/near", "srv/far", "srv/files", "etc/backstay", "var/lib/node_exporter"):
        (root / place).mkdir(parents=True)
    patch.setenv("PATH", "/nowhere")  # the page shows a maintainer without an etcd to drill on
    with Etcd(in_process=True) as etcd:
        with etcd.client() as client:
            for number in range(20):
                client.kv.put(f"/registry/configmaps/default/settings-{number}".encode(), b"value" * 50)
        (root / "backstay.toml").write_text(_AUTOMATED.format(root=root, address=etcd.address), encoding="utf-8")
        patch.chdir(root)
        yield


_AUTOMATED = """\
state_dir = "{root}/var/lib/backstay"

[repositories.near]
location = "{root}/srv/near"
site = "fra"

[repositories.far]
location = "{root}/srv/far"
site = "ams"

[repositories.files]
form = "plain"
location = "{root}/srv/files"
site = "fra"
recipients = ["age1mwp9q5q40wk7kczq4txyh9t4nkckc0vmzlt0p2ec87ml7uykcq6qtljyct"]

[clusters.payments]
endpoints = ["http://{address}"]
tier = "critical"
site = "fra"
repositories = ["near", "far", "files"]
"""


def scripted_cluster(root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster with a configuration, and a directory for its copies."""
    for directory in ("etc/backstay", "srv/backups", "var/lib"):
        (root / directory).mkdir(parents=True)
    with Etcd(in_process=True) as etcd:
        with etcd.client() as client:
            client.kv.put(b"/registry/configmaps/shop/prices", b"tea 3")
        (root / "etc/backstay/backstay.toml").write_text(
            f'state_dir = "{root}/var/lib/backstay"\n\n'
            f'[repositories.near]\nlocation = "file://{root}/srv/backups"\n\n'
            f'[clusters.production]\nendpoints = ["http://{etcd.address}"]\n'
            'tier = "staging"\nrepositories = ["near"]\n'
        )
        yield


SCENES: Mapping[str, Scene] = {
    "automated": automated,
    "course": course,
    "course-served": course_served,
    "nothing": nothing,
    "dead-etcd": dead_etcd,
    "damaged": damaged,
    "full-disk": full_disk,
    "full-disk-damaged": full_disk_damaged,
    "over-quota": over_quota,
    "expired-certificate": expired_certificate,
    "wrong-certificate": wrong_certificate,
    "taken-port": taken_port,
    "friday-evening": friday_evening,
    "one-store": one_store,
    "served-store": served_store,
    "served-backup": served_backup,
    "scripted-cluster": scripted_cluster,
    "two-a-day": two_a_day,
    "two-a-day-marked": two_a_day_marked,
    "shop-backups": shop_backups,
    "key-holders": key_holders,
    "shop-folder": shop_folder,
}


@contextmanager
def scene(name: str, root: Path) -> Iterator[None]:
    """The host of a scene, below `root`."""
    with pytest.MonkeyPatch.context() as patch:
        yield from SCENES[name](root, patch)


def _host(
    root: Path, patch: pytest.MonkeyPatch, *flags: str, available: int = 1_500_000_000, port: int = NOBODY_LISTENS
) -> None:
    scheme = "https" if any(flag.startswith("--cert-file") for flag in flags) else "http"
    url = f"{scheme}://127.0.0.1:{port}"
    urls = (f"--listen-client-urls={url}", f"--advertise-client-urls={url}")
    command = "".join(f"        - {flag}\n" for flag in ("etcd", *FLAGS, *urls, *flags))
    manifest = root / "etc/kubernetes/manifests/etcd.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: etcd}\nspec:\n  containers:\n    - name: etcd\n"
        f"      image: registry.k8s.io/etcd:3.6.16-0\n      command:\n{command}"
    )
    golden.unpack("3.5.35/killed", root / "var/lib/etcd")
    (root / "var/lib/etcd").chmod(0o700)
    (root / "backup").mkdir()
    (root / BACKUP).write_bytes(golden.snapshot("3.6.16"))
    disk = LocalHost.disk

    def of_the_story(self: LocalHost, path: Path) -> DiskSpace | None:
        found = disk(self, path)
        if found is None or not path.is_relative_to(root / "var"):
            return found
        return replace(found, mount_point=str(root / "var/lib"), total=2_100_000_000, available=available)

    patch.setattr(LocalHost, "disk", of_the_story)


def _damage(root: Path) -> None:
    with (root / "var/lib/etcd/member/snap/db").open("r+b") as database:
        for page in range(2, database.seek(0, 2) // 4096, 3):
            database.seek(page * 4096)
            database.write(b"\xde\xad" * 100)


def _certificate(root: Path, not_after: datetime | None = None) -> tuple[str, ...]:
    pki = root / "etc/kubernetes/pki/etcd"
    pki.mkdir(parents=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", not_after=not_after) if not_after else authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(pki / "ca.crt"))
    (pki / "server.crt").write_bytes(issued.cert_chain_pems[0].bytes())
    issued.private_key_pem.write_to_path(str(pki / "server.key"))
    (pki / "server.key").chmod(0o600)
    place = "/etc/kubernetes/pki/etcd"
    files = (f"--cert-file={place}/server.crt", f"--key-file={place}/server.key", f"--trusted-ca-file={place}/ca.crt")
    return (*files, "--client-cert-auth=true")
