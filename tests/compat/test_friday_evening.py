"""The evening of the course, on real etcds: the disk under etcd is full, its database is damaged, nothing answers any more.

`doctor` names the cause within thirty seconds, `recover` brings the control plane back within one minute, and whoever watched
the old revisions is told so and lists again.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backstay.cluster.readiness import readiness
from backstay.errors import BackstayError
from backstay.etcd.watch import EventType, WatchCompacted
from tests import peers
from tests.evenings import QUOTA_BYTES, backstay, damage_pages, fill_disk, free_space, small_disk
from tests.kubelet import ControlPlane
from tests.peers import Peer
from tests.recovering import fill

KEYS = 300
SECONDS_TO_A_CAUSE = 30
SECONDS_TO_READY = 60
VERSIONS = [version for version in peers.VERSIONS if not version.startswith("3.4.") and version != "3.5.1"]
REGISTRY, REGISTRY_END = b"/registry/", b"/registry0"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_disk_and_a_damaged_database_are_named_and_survived(version: str, tmp_path: Path) -> None:
    peer, root = peers.peer(version), tmp_path / "host"
    backups = root / "backup"
    backups.mkdir(parents=True)
    with small_disk(root / "var/lib") as is_mounted, control_plane(root, peer, has_quota=not is_mounted) as plane:
        fill(plane, KEYS)
        saved = backstay(plane, "snapshot", "save", f"{backups}/")
        assert saved.returncode == 0, saved.stderr
        (backup,) = backups.glob("*.db")
        informer = Informer(plane)
        informer.start()
        try:
            plane.wait_for(lambda: informer.lists == 1, "the informer does not list")
            fill_disk(plane)
            damage_pages(plane)
            last_seen = informer.revision
            plane.kubelet.go_on()  # which starts etcd again and again, in vain
            plane.wait_for(lambda: readiness(plane.ports.api_server) != 200, "the API server still answers")

            begun = time.monotonic()
            said = json.loads(backstay(plane, "doctor", "-o", "json", "--quiet").stdout)
            seconds_to_a_cause = time.monotonic() - begun
            assert seconds_to_a_cause < SECONDS_TO_A_CAUSE
            assert said["cause"] == ("disk-full-and-database-damaged" if is_mounted else "database-damaged")
            assert f"backstay recover --from {backup}" in said["next_command"]

            free_space(plane)
            begun = time.monotonic()
            recovered = backstay(plane, "recover", "--from", str(backup), "--yes", "-o", "json")
            assert recovered.returncode == 0, recovered.stderr
            assert time.monotonic() - begun < SECONDS_TO_READY
            assert readiness(plane.ports.api_server) == 200
            report = json.loads(recovered.stdout)
            assert (report["keys"], report["proof"]) == (KEYS, "quarantine")
            sys.stdout.write(
                f"etcd {version}: cause after {seconds_to_a_cause:.1f} s, ready {report['seconds_to_ready']:.1f} s after recover\n"
            )

            with plane.client() as client:
                stale = client.watch(REGISTRY, range_end=REGISTRY_END, start_revision=last_seen)
                with stale, pytest.raises(WatchCompacted):
                    next(stale)
                plane.wait_for(lambda: informer.lists == 2, "the informer does not list again")
                client.kv.put(b"/registry/pods/default/after", b"1")
                plane.wait_for(lambda: b"/registry/pods/default/after" in informer.objects, "the informer is deaf")
                kept = client.kv.range(REGISTRY, range_end=REGISTRY_END)
            assert informer.objects == {each.key: each.mod_revision for each in kept.items}
        finally:
            informer.close()
        assert informer.was_compacted == 1
        healthy = json.loads(backstay(plane, "doctor", "-o", "json", "--quiet", "--skip", "clock,space").stdout)
        assert healthy["cause"] == "none", healthy


@contextmanager
def control_plane(root: Path, peer: Peer, *, has_quota: bool) -> Iterator[ControlPlane]:
    """A ready one; `has_quota` makes etcd refuse writes early, where its disk cannot be made small."""
    with ControlPlane(root, peer, starts=False) as plane:
        if has_quota:
            plane.write_manifest("etcd", plane.etcd_command(f"--quota-backend-bytes={QUOTA_BYTES}"))
        plane.kubelet.go_on()
        plane.wait_ready()
        yield plane


class Informer(threading.Thread):
    """List, watch from the revision of the list, apply; list again when the history is compacted: what every controller does."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(name="informer", daemon=True)
        self._plane = plane
        self._is_over = threading.Event()
        self._watch: Any = None
        self.objects: dict[bytes, int] = {}
        self.revision = 0
        self.lists = 0
        self.was_compacted = 0

    def run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._list_and_watch()
            except WatchCompacted:
                self.was_compacted += 1
            except BackstayError:
                self._is_over.wait(0.1)

    def close(self) -> None:
        """End the loop."""
        self._is_over.set()
        if self._watch is not None:
            self._watch.cancel()
        self.join(10)

    def _list_and_watch(self) -> None:
        with self._plane.client() as client:
            listed = client.kv.range(REGISTRY, range_end=REGISTRY_END)
            self.objects = {each.key: each.mod_revision for each in listed.items}
            self.revision = listed.header.revision
            self.lists += 1
            with client.watch(REGISTRY, range_end=REGISTRY_END, start_revision=self.revision + 1) as self._watch:
                for batch in self._watch:
                    self.revision = batch.header.revision
                    for event in batch.events:
                        if event.type is EventType.DELETE:
                            self.objects.pop(event.item.key, None)
                        else:
                            self.objects[event.item.key] = event.item.mod_revision
