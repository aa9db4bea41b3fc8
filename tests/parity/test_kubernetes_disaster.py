"""A real disaster: `diff` and `lost` list exactly what was done to the cluster, from two files and from the history of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay.kube.compare import Change, ObjectChange
from backstay.kube.compare.sets import uid_of
from backstay.sources import open_source
from backstay.sources.objects import Objects, open_objects
from backstay.sources.objects.changes import changes
from tests import kubernetes_cases
from tests.kubernetes_cases import ROOT

DISASTER: dict[str, Any] = json.loads((ROOT / "k1.37.2-disaster/disaster.json").read_bytes())
BEFORE = DISASTER["before"]["revision"]
KINDS = {"created": Change.CREATED, "deleted": Change.DELETED}


def objects_of(name: str, directory: Path) -> Objects:
    return open_objects(open_source(str(kubernetes_cases.case(name, directory).snapshot)))


@pytest.mark.parametrize("is_one_file", [False, True])
def test_the_differences_are_exactly_what_was_done(is_one_file: bool, tmp_path: Path) -> None:
    with objects_of("k1.37.2-disaster", tmp_path) as after, objects_of("k1.37.2", tmp_path) as snapshot:
        before = after.at(BEFORE) if is_one_file else snapshot
        assert_as_told(list(changes(before, after)))


def test_two_sources_that_are_no_files_are_compared_alike(tmp_path: Path) -> None:
    with objects_of("k1.37.2-disaster", tmp_path) as after, objects_of("k1.37.2", tmp_path) as before:
        whole = [(each.key, each.change, each.fields) for each in changes(before, after)]
        before.source = _Bare(before.source)  # type: ignore[assignment]
        assert [(each.key, each.change, each.fields) for each in changes(before, after)] == whole


class _Bare:
    """A source without the short way that files have."""

    def __init__(self, source: Any) -> None:
        self.items = source.items
        self.close = source.close


def assert_as_told(found: list[ObjectChange]) -> None:
    by_key = {each.key.decode(): each for each in found}
    assert len(by_key) == len(found)
    told = {each["key"]: (name, each) for name in ("created", "deleted", "changed") for each in DISASTER[name]}
    assert by_key.keys() == told.keys()
    for key, (name, line) in told.items():
        change = by_key[key]
        expected = KINDS.get(name) or (Change.RECREATED if line["recreated"] else Change.CHANGED)
        assert change.change is expected, key
        assert change.newest.mod_revision == line["modRevision"]
        assert change.newest.create_revision == line["createRevision"]
        if change.newest.json is not None:
            assert uid_of(change.newest.json) == (line["uid"] or "")
        if name == "changed":
            assert change.before is not None
            assert change.before.mod_revision == line["modRevisionBefore"]
            assert bool(change.fields) or line["valueEqual"]
