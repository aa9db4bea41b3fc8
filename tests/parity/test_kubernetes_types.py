"""One object of every kind in every version that releases 1.32 to 1.37 have, from the test data of Kubernetes' own API module."""

from __future__ import annotations

import functools
import json
import tarfile
from pathlib import Path

import pytest

from backstay.kube.decode import ValueDecoder
from backstay.kube.decode.plan import Plans
from backstay.kube.release import Release
from backstay.kube.schema import shipped_table
from tests.kubernetes_cases import differences

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "kubernetes-types" / "types.tar.xz"
RELEASES = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


@functools.cache
def files() -> dict[str, bytes]:
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found[member.name] = content.read()
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_every_type_of_a_release_decodes_to_the_json_of_kubernetes(release: str) -> None:
    decoder = ValueDecoder(Plans(shipped_table(), Release.parse(release)))
    stored = {
        name: content for name, content in files().items() if name.startswith(f"{release}/") and name.endswith(".pb")
    }
    assert len(stored) > 160
    for name, content in stored.items():
        decoded = decoder.decode(content)
        expected = json.loads(files()[name.removesuffix("pb") + "json"])
        assert (decoded.problem, decoded.notes) == (None, ()), name
        assert decoded.json is not None
        assert not list(differences(decoded.json, expected)), name


def test_a_newer_release_of_the_table_reads_what_older_ones_wrote() -> None:
    decoder = ValueDecoder(Plans(shipped_table(), Release.parse("1.37")))
    for name, content in files().items():
        if name.endswith(".pb"):
            decoded = decoder.decode(content)
            assert decoded.problem is None and not decoded.notes, name
