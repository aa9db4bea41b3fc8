"""A real disaster: `diff` and `lost` list exactly what was done to the cluster, from two files and from the history of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backstay.kube.compare import Change, ObjectChange
from backstay.kube.compare.sets import uid_of
from backstay.kube.exporting import Left
from backstay.sources import open_source
from backstay.sources.objects import Objects, open_objects
from backstay.sources.objects.changes import changes
from backstay.sources.objects.export import Export
from backstay.sources.objects.lost import Fate, lost
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


def test_lost_names_what_somebody_did_and_nothing_that_controllers_did(tmp_path: Path) -> None:
    with objects_of("k1.37.2-disaster", tmp_path) as after, objects_of("k1.37.2", tmp_path) as before:
        answer = lost(before, after)
        found = {str(each.identity): each.change for each in answer.changes}
    elsewhere = {name: change for name, change in found.items() if "production" not in name}
    assert elsewhere == {
        "apiservices.apiregistration.k8s.io v1.wardle.example.com": Change.DELETED,
        "apiservices.apiregistration.k8s.io v1beta1.metrics.example.com": Change.DELETED,
        "clusterroles.rbac.authorization.k8s.io orchid-reader": Change.CHANGED,
        "configmaps staging/after-the-fact": Change.CREATED,
        "configmaps staging/plain": Change.CHANGED,
        "configmaps staging/settings": Change.RECREATED,
        "deployments.apps staging/cart": Change.CHANGED,
        "secrets staging/opaque": Change.CHANGED,
        "services staging/cart": Change.CHANGED,
        "widgets.shop.example.com staging/widget-1": Change.CHANGED,
        "statefulsets.apps staging/db2": Change.DELETED,
    }
    assert found["namespaces production"] is Change.DELETED
    (volume,) = answer.volumes
    assert (volume.name, volume.claim, volume.fate) == ("orchid-pv-csi", "production/data-0", Fate.THERE)


def test_everything_that_was_lost_is_exported(tmp_path: Path) -> None:
    with objects_of("k1.37.2-disaster", tmp_path) as after, objects_of("k1.37.2", tmp_path) as before:
        wanted = {str(each.identity) for each in lost(before, after).changes if each.change is Change.DELETED}
        ready = list(Export(before, missing_in=after, with_secrets=True))
    ending = {line["json"]["metadata"]["name"] for line in ending_objects(tmp_path)}
    exported = {str(each.identity._replace(version="")) for each in ready}
    missing = {name for name in wanted if name not in exported and name.rpartition("/")[2] not in ending}
    assert not missing
    for each in ready:
        assert not {"uid", "resourceVersion", "creationTimestamp", "managedFields"} & each.json["metadata"].keys()
        assert "status" not in each.json


def test_without_leave_secrets_stay_where_they_are(tmp_path: Path) -> None:
    with objects_of("k1.37.2", tmp_path) as objects:
        export = Export(objects)
        assert "secrets" not in {each.identity.resource for each in export}
        assert export.left[Left.SECRET] > 10


def ending_objects(directory: Path) -> list[dict[str, Any]]:
    lines = kubernetes_cases.case("k1.37.2", directory).lines()
    return [each for each in lines if each["json"] and "deletionTimestamp" in each["json"]["metadata"]]
