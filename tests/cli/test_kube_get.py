"""`backstay kube get`: kubectl's grammar over a real cluster's snapshot."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from tests import kubernetes_cases
from tests.kubernetes_cases import ROOT, differences
from tests.parity.test_kubectl_output import CASES, cluster, printed, without_ages


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(kubernetes_cases.case("k1.37.2", tmp_path_factory.mktemp("snapshot")).snapshot)


class Shell:
    """Runs `kube get` on one snapshot."""

    def __init__(self, snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._snapshot = snapshot
        self._capsys = capsys

    def get(self, line: str, *more: str, status: int = 0) -> str:
        assert run(["kube", "get", self._snapshot, *line.split(), *more], {}) == status
        said = self._capsys.readouterr()
        return said.out if status in (0, 3) and said.out else said.err


@pytest.fixture
def shell(snapshot: str, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(snapshot, capsys)


def name_of(item: dict[str, Any]) -> tuple[str, str, str, str]:
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"], metadata["resourceVersion"]


@pytest.mark.parametrize("name", kubernetes_cases.NAMES)
def test_get_as_json_is_what_the_api_server_returned_for_every_object(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case(name, tmp_path)
    expected = {name_of(line["json"]): line for line in case.lines() if case.is_compared(line)}
    kinds = sorted(
        {each["storedKind"] + "." + each["storedApiVersion"].rpartition("/")[0] for each in expected.values()}
    )
    types = ",".join(kind.rstrip(".") for kind in kinds)
    options = ["-A", "-o", "json", "--show-secrets", "--show-managed-fields", *case.encryption]
    assert run(["kube", "get", str(case.snapshot), types, *options], {}) == 0
    seen = 0
    for item in json.loads(capsys.readouterr().out)["items"]:
        line = expected.get(name_of(item), {})
        if line:
            assert not set(differences(item, line["json"])) - case.excepted(line["key"]), line["key"]
            seen += 1
    assert seen == len(expected)


@pytest.mark.parametrize("name", CASES)
def test_tables_read_from_the_snapshot_are_kubectls(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case(name, tmp_path)
    files = {
        "pods-A-o-wide.txt",
        "pods-A-show-labels.txt",
        "orders+widgets+httproutes-A.txt",
        "pv+pvc+sc-A.txt",
        "nodes.txt",
    }
    for each in printed(name, ".txt"):
        if each.name in files:
            assert run(["kube", "get", str(case.snapshot), *each.arguments, "--age-at", each.at.isoformat()], {}) == 0
            assert without_ages(capsys.readouterr().out) == without_ages(each.text)


def test_yaml_of_one_object_is_kubectls_byte_for_byte(shell: Shell) -> None:
    wanted = (ROOT / "k1.37.2" / "kubectl" / "deployment.yaml").read_text("utf-8")
    assert shell.get("deployment cart -n production -o yaml") == wanted
    assert shell.get("deployment/cart -n production -o yaml") == wanted


def test_an_object_is_found_by_a_key_as_people_remember_it(shell: Shell) -> None:
    for key in (
        "/registry/services/specs/production/cart",
        "/registry/services/production/cart",
        "services/production/cart",
    ):
        assert shell.get(f"{key} -o name") == "service/cart\n"


def test_the_namespace_is_default_and_an_empty_answer_says_where_there_is_more(shell: Shell) -> None:
    assert "No resources found in default namespace; there are some in production" in shell.get("pods")
    assert "it is in namespace production: -n production" in shell.get("deploy cart", status=1)


def test_labels_fields_and_order_choose_as_kubectl_does(shell: Shell) -> None:
    assert shell.get("pods -A -l app=host,team -o name") == "pod/host\n" * 3
    assert shell.get("pods -A --field-selector metadata.name=host,metadata.namespace=tools -o name") == "pod/host\n"
    assert shell.get("pods -n production -o name -l", "app in (host, lone),!team").startswith("pod/lone-")
    names = shell.get("pods -n production --sort-by .metadata.name -o name").splitlines()
    assert names == sorted(names)
    assert "is no label selector" in shell.get("pods -l a==b==c", status=2)


def test_templates_and_columns_of_ones_own(shell: Shell) -> None:
    template = "{range .items[?(@.metadata.name=='host')]}{.metadata.namespace}{'\\n'}{end}"
    assert shell.get("pods -A -o", f"jsonpath={template}") == "production\nstaging\ntools\n"
    assert (
        shell.get("deploy cart -n production -o custom-columns=NAME:.metadata.name,IMAGES:..image").splitlines()[0]
        == "NAME   IMAGES"
    )
    assert "unclosed action" in shell.get("pods -A -o jsonpath={.items", status=2)


def test_get_all_shows_the_kinds_of_kubectls_all(shell: Shell) -> None:
    shown = shell.get("all -n production --no-headers -o name")
    kinds = {line.partition("/")[0] for line in shown.splitlines()}
    assert {"pod", "service", "deployment.apps", "job.batch"} <= kinds
    assert not kinds & {"configmap", "secret"}


@pytest.mark.parametrize(
    "form",
    [
        "yaml",
        "json",
        "jsonpath={.items[*].data}{.items[*].metadata}",
        "jsonpath-as-json={.items[*].data}",
        "custom-columns=X:.data,Y:.metadata.annotations",
        "wide",
    ],
)
def test_no_form_shows_the_value_of_a_secret(shell: Shell, form: str) -> None:
    secrets = cluster("k1.37.2").objects["secrets"]
    values = {value for each in secrets for value in (each.get("data") or {}).values() if len(value) > 7}
    assert len(values) > 20
    shown = shell.get("secrets -A -o", form)
    assert not [value for value in values if value in shown]


def test_no_selector_tells_the_value_of_a_secret(shell: Shell) -> None:
    secrets = cluster("k1.37.2").objects["secrets"]
    value = next(each["data"]["pass"] for each in secrets if each["metadata"]["name"] == "opaque")
    question = f"secrets -A --field-selector data.pass={value.replace('=', chr(92) + '=')} -o name"
    assert "secret/opaque" not in shell.get(question)
    assert "secret/opaque" in shell.get(question, "--show-secrets")


def test_another_revision_is_shown_as_it_was(shell: Shell) -> None:
    counter = "-n production cm/plain -o jsonpath={.data.counter}"
    assert (shell.get(counter), shell.get(counter, "--revision", "1860")) == ("24", "5")
    assert "not found" in shell.get("cm/plain -n production --revision 100", status=1)


def test_values_are_shown_when_they_are_asked_for(shell: Shell) -> None:
    value = next(
        each["data"]["pass"] for each in cluster("k1.37.2").objects["secrets"] if each["metadata"]["name"] == "opaque"
    )
    assert shell.get("secret opaque -n production --show-secrets -o jsonpath={.data.pass}") == value


def test_what_cannot_be_decrypted_is_listed_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = kubernetes_cases.case("k1.37.2-aesgcm", tmp_path)
    shell = Shell(str(case.snapshot), capsys)
    assert "<encrypted>" in shell.get("secrets -A", status=3)
    assert json.loads(shell.get("secrets -n default -l x=y -o json", status=3))["items"] == []
    assert "encrypted: k8s:enc:aesgcm" in shell.get("secret aesgcm-secret-0", status=7)
    assert "<encrypted>" not in shell.get("secrets -A", *case.encryption)


def test_of_several_names_those_that_are_there_are_shown(snapshot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kube", "get", snapshot, "cm", "plain", "nope", "-n", "production", "-o", "name"], {}) == 1
    said = capsys.readouterr()
    assert said.out == "configmap/plain\n" and '"nope" not found' in said.err


def test_what_is_not_there_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = tmp_path / "after.db"
    snapshot.write_bytes(lzma.decompress((ROOT.parent / "course" / "after.db.xz").read_bytes()))
    shell = Shell(str(snapshot), capsys)
    assert "did you mean nginx-" in shell.get("pod nginx", status=1)
    assert "did you mean my-config?" in shell.get("cm my-confg", status=1)
    gone = shell.get("secret db-credentials -n production", status=1)
    found = re.search(r"it was deleted at revision \d+: --revision (\d+) shows it", gone)
    assert found is not None, gone
    assert shell.get(f"secret db-credentials -n production -o name --revision {found[1]}") == "secret/db-credentials\n"


def test_what_is_not_understood_is_told(shell: Shell) -> None:
    assert "did you mean pods?" in shell.get("podss", status=2)
    assert "there is no output format 'xml'" in shell.get("pods -o xml", status=2)
    assert "say what to show" in shell.get("", status=2)
    assert "is no time" in shell.get("pods --age-at yesterday", status=2)
