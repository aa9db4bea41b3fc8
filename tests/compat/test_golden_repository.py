"""Repositories of every released format are listed, verified, restored and gone on from; so is what their writer remembered."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backstay.blobs.local import LocalStore
from backstay.clock import SystemClock
from backstay.crypto.slots import read_identities
from backstay.durable import LocalDisk
from backstay.jobs.points.restore import plan_restore, restore
from backstay.jobs.points.verify import verify
from backstay.repository.catalogue import read_catalogue
from backstay.repository.memory import decode_memory
from backstay.repository.reading import PointReader
from backstay.repository.repository import open_repository
from backstay.snapshot.verify import Level
from backstay.telemetry import SilentProgress
from tests.backing_up import entropy_of

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "repository"
KINDS = {"backup", "expiry", "merge", "sweep"}
FORMATS = {"format-1": KINDS, "format-1-faded": KINDS | {"fade"}}


@pytest.fixture(scope="module", params=list(FORMATS))
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp(request.param)
    with tarfile.open(GOLDEN / f"{request.param}.tar.xz") as archive:
        archive.extractall(place, filter="data")
    return place


@pytest.mark.parametrize("encryption", ["sealed", "plaintext"])
def test_a_golden_repository_verifies_and_restores_as_on_its_first_day(
    unpacked: Path, encryption: str, tmp_path: Path
) -> None:
    expected: list[dict[str, Any]] = json.loads((unpacked / "expected.json").read_text())[encryption]
    identities = read_identities((unpacked / "identity").read_text(), "identity")
    repository = open_repository(LocalStore(unpacked / encryption), identities)
    catalogue = read_catalogue(repository).require_sound()
    assert [point.id for point in catalogue.points] == [each["id"] for each in expected]
    verified = verify(
        repository, catalogue, catalogue.points, Level.REBUILT,
        spill=tmp_path, entropy=entropy_of(1), progress=SilentProgress(),
    )  # fmt: skip
    assert {each.reached for each in verified.points} == {Level.REBUILT}, verified.all_findings
    for point, wanted in zip(catalogue.points, expected, strict=True):
        reader = PointReader(repository, point)
        assert (reader.facts.revision, reader.facts.hash_kv.hash) == (wanted["revision"], wanted["hash_kv"])
        restored = restore(
            reader, plan_restore(reader, tmp_path / point.id),
            disk=LocalDisk(), clock=SystemClock(), entropy=entropy_of(1), progress=SilentProgress(),
        )  # fmt: skip
        assert restored.sha256 == wanted["sha256"]


@pytest.mark.parametrize("encryption", ["sealed", "plaintext"])
def test_a_golden_memory_is_read(unpacked: Path, encryption: str) -> None:
    memory = decode_memory((unpacked / f"memory-{encryption}").read_bytes(), "memory")
    points = read_catalogue(open_repository(LocalStore(unpacked / encryption), ())).points
    (last,) = [point for point in points if (point.lineage, point.sequence) == (memory.lineage, memory.sequence)]
    assert memory.head == last.sha256
    assert memory.sequence == 3


@pytest.mark.parametrize("encryption", ["sealed", "plaintext"])
def test_a_golden_repository_has_every_kind_of_manifest(unpacked: Path, encryption: str) -> None:
    catalogue = read_catalogue(open_repository(LocalStore(unpacked / encryption), ()))
    kinds = {each.kind for lineage in catalogue.lineages for each in lineage.manifests}
    name = next(each for each in sorted(FORMATS, reverse=True) if unpacked.name.startswith(each))
    assert kinds == FORMATS[name]
    faded = [point.sequence for point in catalogue.points if point.is_state_only]
    assert faded == ([1] if "fade" in kinds else [])
