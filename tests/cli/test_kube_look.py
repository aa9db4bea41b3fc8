"""`backstay kube tree`, `counts`, `top`, `search` and `history` over a real cluster's snapshot."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from tests import kubernetes_cases
from tests.parity.test_kubectl_output import cluster


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(kubernetes_cases.case("k1.37.2", tmp_path_factory.mktemp("snapshot")).snapshot)


class Shell:
    """Runs `kube ...` commands on one snapshot."""

    def __init__(self, snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._snapshot = snapshot
        self._capsys = capsys

    def text(self, command: str, *words: str, status: int = 0) -> str:
        assert run(["kube", command, self._snapshot, *words], {}) == status
        said = self._capsys.readouterr()
        return said.out or said.err

    def json(self, command: str, *words: str, status: int = 0) -> Any:
        return json.loads(self.text(command, *words, "-o", "json", status=status))


@pytest.fixture
def shell(snapshot: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(snapshot, capsys)


def test_the_tree_is_drawn_with_counts_and_bytes(shell: Shell) -> None:
    drawn = shell.text("tree", "/registry/pods/").splitlines()
    assert drawn[0].split() == ["KEY", "KEYS", "BYTES"]
    assert [line.split()[:3] for line in drawn[2:]] == [
        ["└─", "pods", "41"], ["├─", "production", "16"], ["├─", "staging", "8"], ["└─", "tools", "17"],
    ]  # fmt: skip


def test_the_tree_counts_every_key_once(shell: Shell) -> None:
    roots = shell.json("tree", "--names")
    assert [root["path"] for root in roots] == ["/registry", "compact_rev_key"]
    assert sum(root["keys"] for root in roots) == 1158

    def check(node: dict[str, Any]) -> None:
        if "below" in node:
            assert sum(each["keys"] for each in node["below"]) == node["keys"]
            assert sum(each["value_bytes"] for each in node["below"]) == node["value_bytes"]
            for each in node["below"]:
                check(each)

    for root in roots:
        check(root)
    assert len(shell.text("tree", "--depth", "0").splitlines()) == 3


def test_objects_are_counted_in_the_categories_of_the_course(shell: Shell) -> None:
    counts = shell.json("counts")
    assert [each["category"] for each in counts] == [
        "workloads", "services", "configuration", "storage", "RBAC", "cluster", "events", "custom", "other",
    ]  # fmt: skip
    by_resource = {each["resource"]: each["objects"] for category in counts for each in category["resources"]}
    expected = {resource: len(items) for resource, items in cluster("k1.37.2").objects.items()}
    assert {resource: by_resource.get(resource) for resource in expected} == expected
    assert "widgets.shop.example.com" in {each["resource"] for each in counts[7]["resources"]}
    production = shell.json("counts", "-n", "production")
    assert 0 < sum(each["objects"] for each in production) < 1158


def test_top_names_what_fills_the_store(shell: Shell) -> None:
    top = shell.json("top", "--limit", "200")
    assert top["total"]["live"] == 1158
    assert sum(each["live"] for each in top["kinds"]) == 1158
    assert sum(each["history"] for each in top["kinds"]) == top["total"]["history"]
    nodes = next(each for each in top["kinds"] if each["name"] == "nodes")
    assert nodes["live"] == 3 and nodes["history"] > 400
    assert top["largest"][0]["bytes"] >= top["largest"][1]["bytes"]
    assert top["most_written"][0]["name"].startswith("/registry/minions/")
    assert top["events"]["live"] == 324 and top["leases"]["leases"] == 3
    assert "MOST WRITTEN" in shell.text("top")


def test_a_text_is_found_wherever_it_stands(shell: Shell) -> None:
    hits = shell.json("search", "orchid-queue")
    assert {(hit["resource"].partition(".")[0], hit["path"]) for hit in hits} == {
        ("flowschemas", "spec.priorityLevelConfiguration.name"),
        ("flowschemas", "status.conditions[0].message"),
        ("prioritylevelconfigurations", "metadata.name"),
    }
    assert shell.json("search", "flowschemas", "ORCHID-QUEUE", "--ignore-case")
    assert shell.text("search", "no-such-text-anywhere", status=1) == ""


def test_labels_fields_and_paths_are_found(shell: Shell) -> None:
    assert {hit["name"] for hit in shell.json("search", "pods", "--label", "app=host")} == {"host"}
    assert {hit["namespace"] for hit in shell.json("search", "--field", "metadata.name=host")} == {
        "production", "staging", "tools",
    }  # fmt: skip
    images = shell.json("search", "deploy", "--jsonpath", ".spec.template.spec.containers[*].image", "-n", "production")
    assert "registry.example.com/shop/cart:3.4" in {hit["value"] for hit in images}
    assert "say what to search for" in shell.text("search", status=2)


def test_a_search_neither_finds_nor_shows_what_a_secret_holds(shell: Shell) -> None:
    value = next(
        each["data"]["pass"] for each in cluster("k1.37.2").objects["secrets"] if each["metadata"]["name"] == "opaque"
    )
    assert shell.text("search", value, status=1) == ""
    assert shell.json("search", value, "--show-secrets")[0]["path"] == "data.pass"
    found = shell.text("search", "secrets", "--jsonpath", ".data", "-n", "production")
    assert value not in found and "redacted" in found
    assert value not in shell.text("search", "opaque", "--history")


def test_a_life_is_told_with_what_changed_and_who_did_it(shell: Shell) -> None:
    life = shell.json("history", "configmap", "plain", "-n", "production")
    assert life[0]["event"] == "created" and life[0]["authors"][0]["manager"] == "kube-data"
    assert [each["event"] for each in life[1:]] == ["changed"] * 25
    counters = [field["after"] for each in life[1:] for field in each["fields"] if field["path"] == "data.counter"]
    assert counters == [str(number) for number in range(25)]
    assert [author["manager"] for each in life[1:4] for author in each["authors"]] == ["m0", "m1", "m2"]
    drawn = shell.text("history", "cm/plain", "-n", "production", "--limit", "1")
    assert drawn.splitlines()[0].startswith("revision ") and "data.counter: 23 -> 24" in drawn


def test_deletions_are_part_of_a_life_and_deleted_objects_have_one(shell: Shell, snapshot: str) -> None:
    from backstay.sources import open_source
    from backstay.sources.objects import open_objects

    with open_objects(open_source(snapshot)) as objects:
        deleted = [past for past in objects.past() if past.object is None and past.identity.resource]
        alive = {head.key for head in objects.heads()}
    gone = next(past for past in deleted if past.key not in alive)
    life = shell.json("history", f"{gone.identity.group_resource}/{gone.identity.name}", "-n", gone.identity.namespace)
    assert life[-1]["event"] == "deleted" and life[-1]["revision"] == gone.revision
    again = next(past for past in deleted if past.key in alive)
    events = [each["event"] for each in shell.json("history", again.key.decode())]
    assert "deleted" in events[:-1] and events[events.index("deleted") + 1] == "created"
    assert "has no stored revision" in shell.text("history", "pod", "never-there", status=1)
    assert "name one object" in shell.text("history", "pods", status=2)


def test_the_history_of_a_secret_keeps_its_values(shell: Shell) -> None:
    for secret in cluster("k1.37.2").objects["secrets"]:
        if secret["metadata"]["name"] == "opaque":
            where = secret["metadata"]["namespace"]
            for form in ("json", "table", "yaml"):
                shown = shell.text("history", "secret", "opaque", "-n", where, "-o", form, "--all-fields")
                assert not [value for value in secret["data"].values() if len(value) > 7 and value in shown]


@pytest.mark.parametrize("command", ["tree", "counts", "top", "search", "history"])
def test_yaml_says_what_json_says(shell: Shell, command: str) -> None:
    import yaml

    words = {"search": ["orchid-queue"], "history": ["cm/plain", "-n", "production"]}.get(command, [])
    assert yaml.safe_load(shell.text(command, *words, "-o", "yaml")) == shell.json(command, *words)


def test_kubectl_finds_us_as_its_plugin(snapshot: str) -> None:
    plugin = shutil.which("kubectl-backstay", path=str(Path(sys.executable).parent))
    assert plugin is not None, "installed by pyproject's scripts: reinstall the package"
    done = subprocess.run(
        [plugin, "get", snapshot, "cm/plain", "-n", "production", "-o", "name"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "configmap/plain\n")
