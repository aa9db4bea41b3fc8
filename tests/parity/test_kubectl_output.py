"""What kubectl itself printed of real clusters, tables and YAML, equals what we print of the same objects.

Three releases; the objects are the API server's own JSON, so nothing but printing is compared here.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backstay.kube.crds import resources_of
from backstay.kube.printing.columns import Context
from backstay.kube.printing.kinds.custom import custom_columns
from backstay.kube.printing.kinds.table import columns_of, in_order
from backstay.kube.printing.objects import without_managed_fields
from backstay.kube.printing.tables import Options, Section, draw
from backstay.kube.printing.yaml_text import yaml_of
from backstay.kube.release import Release
from backstay.kube.resources import Resource, Resources
from tests import kubernetes_cases
from tests.kubernetes_cases import ROOT, Case

CASES = [name for name in kubernetes_cases.NAMES if (ROOT / name / "kubectl").is_dir()]
AGE = re.compile(r"(?<![\w.-])(\d+[smhdy])+(?![\w.-])")


class Printed(NamedTuple):
    """One file of kubectl's: what was asked for, when, and what came."""

    name: str
    arguments: list[str]
    at: datetime
    text: str


class Cluster:
    """The objects of a case by resource, as its API server printed them."""

    def __init__(self, name: str) -> None:
        case = Case(name, Path())
        self.release = Release.parse(case.facts["kubernetes"])
        everything = [line["json"] for line in case.lines() if line["json"] is not None]
        self.definitions = [each for each in everything if each["kind"] == "CustomResourceDefinition"]
        self.resources = Resources(resources_of(self.definitions))
        self.objects: dict[str, list[Any]] = {}
        for each in everything:
            group = each["apiVersion"].rpartition("/")[0]
            resource = self.resources.of_kind(group, each["kind"])
            assert resource is not None, each["kind"]
            self.objects.setdefault(resource.group_resource, []).append(each)

    def find(self, text: str) -> Resource:
        found = self.resources.find(text)
        assert found is not None, text
        return found

    def section(self, text: str) -> Section:
        resource = self.find(text)
        items = in_order(resource.group_resource, self.objects.get(resource.group_resource, []))
        columns = columns_of(resource.group_resource, self.release, items)
        if resource.is_custom:
            definition = next(each for each in self.definitions if each["metadata"]["name"] == resource.group_resource)
            columns = custom_columns(definition, items[0]["apiVersion"].rpartition("/")[2])
        prefix = resource.kind.lower() + (f".{resource.group}" if resource.group else "")
        return Section(columns, items, prefix, resource.namespaced)


@functools.cache
def cluster(name: str) -> Cluster:
    return Cluster(name)


def printed(name: str, ending: str) -> Iterator[Printed]:
    directory = ROOT / name / "kubectl"
    for file, facts in json.loads((directory / "INDEX.json").read_bytes()).items():
        if file.endswith(ending):
            at = datetime.fromisoformat(facts["printedAt"])
            yield Printed(file, facts["args"][1:], at, (directory / file).read_text("utf-8"))


def drawn(name: str, arguments: list[str], now: datetime) -> str:
    kinds = arguments[0].split(",")
    options = Options(
        wide="wide" in arguments,
        show_labels="--show-labels" in arguments,
        with_namespace="-A" in arguments,
        with_kind=len(kinds) > 1,
    )
    return draw([cluster(name).section(kind) for kind in kinds], options, Context(now))


def without_ages(text: str) -> list[str]:
    return ["  ".join(re.split(r"\s{2,}", AGE.sub("AGE", line))) for line in text.splitlines()]


@pytest.mark.parametrize("name", CASES)
def test_every_table_is_kubectls_own(name: str) -> None:
    tables = list(printed(name, ".txt"))
    wrong, exact = [], 0
    for each in tables:
        # kubectl's clock and the server's differ by a moment, and a long listing takes one.
        ours = [drawn(name, each.arguments, each.at + timedelta(seconds=shift)) for shift in range(-1, 4)]
        exact += each.text in ours
        wanted, got = without_ages(each.text), without_ages(ours[0])
        if each.text not in ours and wanted != got:
            wrong += [each.name, *difflib.unified_diff(wanted, got, n=0, lineterm="")]
    assert len(tables) > 20
    assert not wrong, "\n".join(wrong)[:4000]
    assert exact >= len(tables) / 2, f"only {exact} of {len(tables)} equal byte for byte"


def test_tables_of_every_kind_are_kubectls_own_wide_and_narrow() -> None:
    wrong, kinds = [], set()
    with (ROOT.parent / "kubectl" / "tables.jsonl").open(encoding="utf-8") as file:
        for each in map(json.loads, file):
            ours = drawn("k1.37.2", each["arguments"], datetime.fromisoformat(each["printedAt"]))
            kinds.add(each["arguments"][0])
            if without_ages(ours) != without_ages(each["text"]):
                wrong.append(each["arguments"])
    assert len(kinds) >= 70
    assert not wrong


@pytest.mark.parametrize("name", CASES)
def test_every_yaml_is_kubectls_own(name: str) -> None:
    compared = 0
    for each in printed(name, ".yaml"):
        kind, wanted, *rest = each.arguments
        namespace = rest[rest.index("-n") + 1] if "-n" in rest else ""
        found = next(
            item
            for item in cluster(name).objects[cluster(name).find(kind).group_resource]
            if item["metadata"]["name"] == wanted and item["metadata"].get("namespace", "") == namespace
        )
        if f"apiVersion: {found['apiVersion']}\n" not in each.text:
            continue  # kubectl asked for another version than the stored one
        shown = found if "--show-managed-fields" in rest else without_managed_fields(found)
        assert yaml_of(shown) == each.text, each.name
        compared += 1
    assert compared >= 15


def test_awkward_strings_are_written_as_kubectl_writes_them() -> None:
    values = json.loads((ROOT / "kubectl-strings" / "values.json").read_bytes())
    shown = yaml_of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": values})
    assert shown == (ROOT / "kubectl-strings" / "expected.yaml").read_text("utf-8")
