"""`backstay deploy` as people type it: what is printed can be applied as it is, what is written overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from backstay.cli.main import run

CONFIGURATION = """
[repositories.near]
location = "file:///srv/backups"

[repositories.far]
location = "s3://etcd-backups/payments?endpoint=https://s3.ams.example"

[clusters.payments]
endpoints = ["https://127.0.0.1:2379"]
cacert = "/etc/kubernetes/pki/etcd/ca.crt"
cert = "/etc/kubernetes/pki/etcd/healthcheck-client.crt"
key = "/etc/kubernetes/pki/etcd/healthcheck-client.key"
tier = "critical"
repositories = ["near", "far"]
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "backstay.toml"
    path.write_text(CONFIGURATION)
    return path


def deploy(capsys: pytest.CaptureFixture[str], configuration: Path, *words: str, status: int = 0) -> str:
    """What is printed; what is said where it fails."""
    assert run(["deploy", *words, "--config", str(configuration)], {}) == status
    printed = capsys.readouterr()
    return printed.err if status else printed.out


def test_what_is_printed_is_yaml_with_the_configuration_in_it(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = deploy(capsys, configuration, "cronjob", "--image", "registry.example/backstay:1")
    objects = list(yaml.safe_load_all(printed))
    assert [each["kind"] for each in objects] == ["ServiceAccount", "ConfigMap", "CronJob"]
    assert objects[1]["data"]["backstay.toml"] == CONFIGURATION
    assert "kubectl create secret generic backstay-payments -n kube-system --from-literal=AWS_ACCESS_KEY_ID=" in printed
    (container,) = objects[2]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/backstay:1"


def test_json_is_one_list(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(deploy(capsys, configuration, "cronjob", "payments", "-o", "json"))
    assert (found["kind"], len(found["items"])) == ("List", 3)


def test_files_are_written_and_never_overwritten(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "manifests"
    deploy(capsys, configuration, "cronjob", "--to", str(target))
    assert sorted(path.name for path in target.iterdir()) == ["configmap.yaml", "cronjob.yaml", "serviceaccount.yaml"]
    before = (target / "cronjob.yaml").read_text()
    deploy(capsys, configuration, "cronjob", "--to", str(target), "--image", "other", status=9)
    assert (target / "cronjob.yaml").read_text() == before


def test_units_name_the_configuration_where_it_will_be(
    configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "units"
    words = ("--to", str(target), "--program", "/usr/bin/backstay", "--installed-config", "/etc/backstay/backstay.toml")
    deploy(capsys, configuration, "systemd", *words)
    service = (target / "backstay-payments.service").read_text()
    assert "ExecStart=/usr/bin/backstay" in service
    assert "/etc/backstay/backstay.toml" in service


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cronjob", "paymants"], "did you mean `payments`?"),
        (["cronjob", "--state-dir", "state"], "--state-dir is not an absolute path"),
        (["cronjob", "--metrics-dir", "/var/../etc"], "--metrics-dir is not an absolute path"),
        (["systemd", "--program", "backstay"], "--program is not an absolute path"),
    ],
)
def test_mistakes_are_named(
    words: list[str], said: str, configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in deploy(capsys, configuration, *words, status=2)
