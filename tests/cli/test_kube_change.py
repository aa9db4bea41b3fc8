"""`kube diff`, `lost`, `export`, `audit` and `trace` at the desk: what they print, how they end, what they write."""

from __future__ import annotations

import json
import stat
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.cli.main import run
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions
from tests import kubernetes_cases
from tests.conftest import StartEtcd
from tests.kubernetes_cases import ROOT
from tests.peers import Peer
from tests.unit.kube.kubernetes_values import write_store

MIXED = ROOT / "k1.37.2-mixed/encryption-3.yaml"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def before(directory: Path) -> Path:
    return kubernetes_cases.case("k1.37.2", directory).snapshot


@pytest.fixture(scope="module")
def after(directory: Path) -> Path:
    return kubernetes_cases.case("k1.37.2-disaster", directory).snapshot


def kube(*arguments: object) -> int:
    return run(["kube", *map(str, arguments)], {})


def test_diff_shows_what_happened_and_which_fields(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kube("diff", before, after, "configmaps", "deploy", "-n", "staging", "--ignore-noise") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "~ deployments.apps staging/cart" in lines
    assert "    spec.replicas: 2 -> 0" in lines
    assert "+ configmaps staging/after-the-fact" in lines
    assert "± configmaps staging/settings (deleted and created again)" in lines
    assert lines[-1] == "1 created, 2 changed, 1 recreated"


def test_diff_of_two_times_of_one_file(after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kube("diff", after, "services", "--from", "2214", "-n", "staging", "--ignore-noise", "--exit-code") == 1
    assert "~ services staging/cart" in capsys.readouterr().out
    assert kube("diff", after, "--from", "2214", "--to", "2214", "--exit-code") == 0
    assert capsys.readouterr().out == "no differences\n"
    assert kube("diff", after) == 2


def test_diff_as_json_and_as_a_patch_without_secrets(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kube("diff", before, after, "secrets", "-n", "staging", "--ignore-noise", "-o", "json") == 0
    (change,) = json.loads(capsys.readouterr().out)
    assert (change["change"], change["name"]) == ("changed", "opaque")
    assert change["fields"] == [
        {"path": "data.user", "before": "<redacted: 5 bytes>", "after": "<redacted: 8 bytes>"}
    ]  # fmt: skip
    assert kube("diff", before, after, "configmaps", "-n", "staging", "--ignore-noise", "-o", "patch") == 0
    patch = capsys.readouterr().out
    assert "--- a/registry/configmaps/staging/plain\n+++ b/registry/configmaps/staging/plain\n" in patch
    assert "--- /dev/null\n+++ b/registry/configmaps/staging/after-the-fact\n" in patch
    assert '-  a: "1"\n' in patch
    assert "\x1b[" not in patch


def test_lost_ends_with_warnings_and_names_volumes(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kube("lost", "--from", before, "--to", after, "-n", "production") == 3
    out = capsys.readouterr().out
    assert "- deployments.apps production/" in out
    assert "orchid-pv-csi  production/data-0  Retain  csi.example.com vol-1  the volume is still there" in out
    assert kube("lost", "--from", before, "--to", before, "-o", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["changes"] == []


def test_export_is_a_stream_that_says_what_it_leaves_out(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kube("export", before, "-n", "production", "-o", "-") == 0
    said = capsys.readouterr()
    documents = list(yaml.safe_load_all(said.out))
    assert documents[0]["kind"] == "Namespace"
    kinds = {each["kind"] for each in documents}
    assert {"Deployment", "Widget", "ConfigMap"} <= kinds
    assert not {"Secret", "Event", "EndpointSlice", "ControllerRevision"} & kinds - {"EndpointSlice"}
    assert "it is a Secret (--show-secrets exports it)" in said.err


def test_export_into_a_directory_appears_whole_or_not_at_all(
    before: Path, after: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "cluster"
    assert kube("export", before, "deployments", "--missing-in", after, "-o", place, "--dry-run") == 0
    assert not place.exists()
    planned = capsys.readouterr().out.splitlines()
    assert kube("export", before, "deployments", "--missing-in", after, "-o", place) == 0
    files = sorted(place.rglob("*.yaml"))
    assert len(files) == len(planned) > 10
    assert files[0].parent.relative_to(place).as_posix() == "85-controllers/01-deployments.apps/production"
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert yaml.safe_load(files[0].read_text())["kind"] == "Deployment"
    capsys.readouterr()
    assert kube("export", before, "-o", place) != 0
    assert "exists" in capsys.readouterr().err


def test_export_says_how_large_objects_and_those_of_new_kinds_are_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }  # fmt: skip

    def widget(name: str, size: int) -> bytes:
        metadata = {"name": name, "namespace": "shop"}
        return json.dumps(
            {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": {"text": "x" * size}}
        ).encode()

    store = write_store(
        tmp_path / "db",
        [
            (b"/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com", json.dumps(crd).encode()),
            (b"/registry/example.com/widgets/shop/small", widget("small", 261_000)),
            (b"/registry/example.com/widgets/shop/large", widget("large", 262_000)),
        ],
    )
    assert kube("export", store, "-o", "-") == 0
    said = capsys.readouterr().err
    assert "apply it twice" in said
    assert "1 too large for the annotation of a plain apply (widgets.example.com shop/large)" in said
    assert kube("export", store, "-o", tmp_path / "made") == 0
    said = capsys.readouterr().err
    assert f'for stage in {tmp_path}/made/*; do kubectl apply -R -f "$stage"; done' in said
    assert "kubectl apply --server-side" in said
    assert kube("export", store, "crd", "-o", "-") == 0
    assert "apply" not in capsys.readouterr().err


def test_audit_ends_as_its_findings_say(before: Path, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kube("audit", before) == 4
    assert "kube-secret-plain" in capsys.readouterr().out
    upgraded = kubernetes_cases.case("k1.37.2-upgraded", directory).snapshot
    assert kube("audit", upgraded, "-o", "json", "--target-version", "1.37") == 4
    codes = {each["code"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert {"kube-version-unreadable", "kube-version-not-served"} <= codes


def test_audit_with_the_configuration_of_the_api_server(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = kubernetes_cases.case("k1.37.2-mixed", directory).snapshot
    assert kube("audit", mixed, "--encryption-config", MIXED, "-o", "json") == 4
    found = {
        (each["code"], each["subject"].partition(" ")[0]) for each in json.loads(capsys.readouterr().out)["findings"]
    }
    assert ("kube-not-encrypted", "configmaps") in found
    assert ("kube-stale-key", "secrets") in found
    assert ("kube-unreadable", "secrets") not in found


def test_audit_names_objects_that_need_an_older_key_of_the_service(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case("k1.37.2-kmsv2", directory)
    kube("audit", case.snapshot, *case.encryption, "-o", "json")
    found = {each["subject"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    secrets = found["secrets (k8s:enc:kms:v2:testkms)"]
    assert secrets["code"] == "kube-old-kms-key"
    assert "'kek-1', the newest is 'kek-2'" in secrets["evidence"]
    assert "first-secret-0" not in secrets["evidence"]


def test_the_remedy_is_a_file_for_root_only_and_steps_without_its_key(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "encryption.yaml"
    assert kube("audit", before, "--remedy", file, "--resource", "secrets", "--resource", "cm") == 0
    steps = capsys.readouterr().out
    document = yaml.safe_load(file.read_text())
    (entry,) = document["resources"]
    assert entry["resources"] == ["secrets", "configmaps"]
    key = entry["providers"][0]["secretbox"]["keys"][0]["secret"]
    assert key not in steps
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "kubectl get configmaps --all-namespaces -o json | kubectl replace -f -" in steps
    assert kube("audit", before, "--remedy", file) != 0


@pytest.mark.parametrize(
    "words",
    [
        ("trace", "DB", "configmap", "a", "-n", "shop"),
        ("history", "DB", "configmap", "a", "-n", "shop"),
        ("get", "DB", "configmap", "-A", "-o", "wide", "--show-labels"),
        ("get", "DB", "configmap", "-A", "-o", "name"),
        ("diff", "DB", "--from", "2"),
        ("diff", "DB", "--from", "2", "-o", "patch"),
        ("search", "DB", "x"),
        ("tree", "DB", "--names"),
        ("top", "DB"),
        ("export", "DB", "-o", "-", "--dry-run"),
        ("lost", "--from", "DB", "--to", "EMPTY"),
    ],
    ids=lambda words: "-".join(words[:1] + words[4:]),
)
def test_nothing_that_is_stored_speaks_to_the_terminal(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "x\x1b[2Jy\x07"
    metadata = {
        "name": evil, "namespace": evil, "creationTimestamp": evil, "labels": {evil: evil}, "annotations": {evil: evil},
        "managedFields": [{"manager": evil, "time": evil, "operation": evil, "fieldsV1": {f"f:{evil}": {}}}],
    }  # fmt: skip
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {evil: evil}}
    store = write_store(
        tmp_path / "db",
        [
            (b"/registry/configmaps/shop/a", json.dumps(item).encode()),
            (b"/registry/configmaps/shop/a", json.dumps({**item, "data": {evil: evil * 2}}).encode()),
            (f"/registry/configmaps/{evil}/{evil}".encode(), json.dumps(item).encode()),
        ],
    )
    empty = write_store(tmp_path / "empty", [(b"/registry/a", b"b")])
    assert kube(*({"DB": store, "EMPTY": empty}.get(each, each) for each in words)) in (0, 3)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "\x07" not in said.out + said.err
    assert "x" in said.out


def test_trace_tells_a_life_out_of_stored_revisions(after: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kube("trace", after, "deployment", "cart", "-n", "staging", "-o", "json") == 0
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["kind"], each["event"]) for each in steps[:2]] == [
        ("Deployment", "created"),
        ("ReplicaSet", "created"),
    ]
    assert steps[1]["details"] == ["owned by Deployment cart"]
    assert any(each["details"] == ["replicas 2 -> 0"] for each in steps)
    revisions = [each["revision"] for each in steps]
    assert revisions == sorted(revisions)


def test_a_living_object_is_followed_until_it_is_gone(
    newest_peer: Peer, start_etcd: StartEtcd, capsys: pytest.CaptureFixture[str]
) -> None:
    etcd = start_etcd(newest_peer)
    with Client(ConnectionOptions.of([etcd.endpoint])) as client:
        client.kv.put(b"/registry/namespaces/shop", document("Namespace", "shop", "n"))

        def live() -> None:
            wait_for_a_watch(etcd.endpoint)
            client.kv.put(b"/registry/deployments/shop/web", document("Deployment", "web", "d", spec={"replicas": 1}))
            owner = [{"kind": "Deployment", "name": "web", "uid": "d", "apiVersion": "apps/v1"}]
            client.kv.put(b"/registry/replicasets/shop/web-1", document("ReplicaSet", "web-1", "r", owners=owner))
            owner = [{"kind": "ReplicaSet", "name": "web-1", "uid": "r", "apiVersion": "apps/v1"}]
            pod = document("Pod", "web-1-x", "p", owners=owner)
            client.kv.put(b"/registry/pods/shop/web-1-x", pod)
            client.kv.put(b"/registry/pods/shop/other", document("Pod", "other", "o"))
            bound = document("Pod", "web-1-x", "p", owners=owner, spec={"nodeName": "node-1"})
            client.kv.put(b"/registry/pods/shop/web-1-x", bound)
            client.kv.delete_range(b"/registry/deployments/shop/web")

        writing = threading.Thread(target=live)
        writing.start()
        arguments = ("--until", "deleted", "--for", "20s", "-o", "json", "--endpoints", etcd.endpoint)
        ended = kube("trace", "live", "deploy", "web", "-n", "shop", *arguments)
        writing.join()
    steps = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["kind"], each["event"], each["details"]) for each in steps] == [
        ("Deployment", "created", []),
        ("ReplicaSet", "created", ["owned by Deployment web"]),
        ("Pod", "created", ["owned by ReplicaSet web-1"]),
        ("Pod", "changed", ["bound to node-1"]),
        ("Deployment", "deleted", []),
    ]
    assert ended == 0
    assert (
        kube("trace", "live", "deploy", "web", "-n", "shop", "--until", "ready", "--for", "200ms", *arguments[4:]) == 3
    )


def wait_for_a_watch(endpoint: str) -> None:
    """Return when somebody watches."""
    deadline = time.monotonic() + 30
    while b"etcd_debugging_mvcc_watcher_total 0" in urllib.request.urlopen(f"{endpoint}/metrics").read():
        assert time.monotonic() < deadline, "nobody watches"
        time.sleep(0.05)


def document(kind: str, name: str, uid: str, *, owners: Any = (), **parts: Any) -> bytes:
    version = "v1" if kind in ("Pod", "Namespace") else "apps/v1"
    metadata = {"name": name, "namespace": "shop", "uid": uid, "ownerReferences": list(owners)}
    return json.dumps({"kind": kind, "apiVersion": version, "metadata": metadata, **parts}).encode()
