"""The power is cut behind any durable step of a directory that takes backups: no reported point is lost, no half one listed.

What was not synced is there, gone, or torn by sectors in any mixture (`tests/power_loss.py`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from backstay.blobs.local import LocalStore
from backstay.errors import BackstayError
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import read_catalogue
from backstay.repository.repository import open_repository
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import Cluster, Place
from tests.power_loss import RecordedDisk, images


def life(disk: RecordedDisk, root: Path) -> Place:
    """A repository is founded, and three points are made: a base, what is new, and again."""
    place, cluster = Place(LocalStore(root, disk), seed=9), Cluster()
    for number in range(3):
        for key in range(5):
            cluster.put(b"key-%d" % key, b"value %d of %d" % (key, number))
        cluster.delete(b"key-%d" % number)
        place.back_up(cluster)
        disk.acknowledged += 1
    return place


def rebuilt(place: Place, directory: Path) -> int:
    """How many points are listed; each must come back. 0 where the repository was not founded yet."""
    try:
        repository = open_repository(LocalStore(directory), (place.operator,))
    except BackstayError:
        return 0
    points = read_catalogue(repository).require_sound().points
    catalogue = read_catalogue(repository)
    verified = verify(
        repository, catalogue, points, Level.REBUILT,
        spill=directory, entropy=place.entropy, progress=SilentProgress(),
    )  # fmt: skip
    assert all(point.reached is Level.REBUILT for point in verified.points), verified.all_findings
    return len(points)


def test_no_cut_of_the_power_loses_a_point_that_was_reported_or_lists_half_a_one(tmp_path: Path) -> None:
    root, place_of_images = tmp_path / "root", tmp_path / "images"
    root.mkdir()
    place_of_images.mkdir()
    disk = RecordedDisk(root)
    place = life(disk, root)
    assert {kind for kind, _, _ in disk.steps} >= {"create", "write", "sync", "rename", "mkdir", "sync_directory"}
    seen = 0
    for image in images(disk, place_of_images):
        found = rebuilt(place, image.directory)
        assert found >= image.acknowledged, f"{image.variant} after step {image.step} ({image.name})"
        seen += 1
        shutil.rmtree(image.directory)
    assert seen == 4 * len(disk.steps)
