"""What must stay true of the CronJob, whatever is deployed."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from backstay.cli.commands import TABLE
from backstay.deploy.kubernetes import ClusterWish, command_of, cronjob_objects
from tests.unit.deploy.sample_deployment import PKI, deployment

WISH = ClusterWish("registry.example/backstay:1", secret="keys")


def parts(**changes: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    (job,) = (each for each in cronjob_objects(deployment(**changes), WISH) if each["kind"] == "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return job, pod, container


def test_the_pod_runs_where_etcd_is() -> None:
    _, pod, _ = parts()
    assert pod["hostNetwork"] is True
    assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    assert {each["key"] for each in pod["tolerations"]} >= {"node-role.kubernetes.io/control-plane"}
    assert "nodeName" not in pod  # it would go round the scheduler, and take no notice of a full node


def test_no_token_no_capability_no_writable_image() -> None:
    _, pod, container = parts()
    assert pod["automountServiceAccountToken"] is False
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "privileged" not in container or not container["privileged"]


def test_only_the_client_certificate_is_there_and_it_is_read_only() -> None:
    _, pod, container = parts()
    mounts = [each for each in container["volumeMounts"] if each["mountPath"].startswith(str(PKI))]
    assert [each["mountPath"] for each in mounts] == [
        f"{PKI}/{name}" for name in ("ca.crt", "healthcheck-client.crt", "healthcheck-client.key")
    ]
    assert all(each["readOnly"] for each in mounts)
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert {volumes[each["name"]]["hostPath"]["type"] for each in mounts} == {"File"}


def test_a_failure_is_a_failure_and_two_never_run_at_once() -> None:
    job, pod, _ = parts()
    template = job["spec"]["jobTemplate"]["spec"]
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod["restartPolicy"] == "Never"
    assert template["backoffLimit"] == 0
    assert template["activeDeadlineSeconds"] == 900
    assert job["spec"]["startingDeadlineSeconds"] >= 60


def test_no_shell_is_needed() -> None:
    command = command_of(deployment(), WISH)
    assert command[:5] == ["backstay", "run", "--once", "--cluster", "payments-fra"]
    assert command[1] in {entry.path for entry in TABLE}
    assert not any(word in ("sh", "-c", "bash") or ";" in word for word in command)


def test_what_is_written_is_on_the_host_or_goes_with_the_pod() -> None:
    _, pod, container = parts()
    volumes = {each["name"]: each for each in pod["volumes"]}
    writable = {
        each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"] if not each.get("readOnly")
    }
    assert set(writable) == {"/var/lib/backstay", "/srv/backups", "/var/lib/node_exporter", "/scratch"}
    assert writable["/srv/backups"]["hostPath"]["type"] == "Directory"  # one that is not mounted must not be made
    assert "emptyDir" in writable["/scratch"]
    assert {"name": "TMPDIR", "value": "/scratch"} in container["env"]


def test_companions_are_seen_and_nothing_is_mounted_twice() -> None:
    _, pod, container = parts(companions=("kubeadm", "/etc/kubernetes/enc.yaml", "/opt/audit.yaml"))
    paths = [each["mountPath"] for each in container["volumeMounts"] if each.get("readOnly")]
    assert paths == [
        "/etc/backstay", "/etc/kubernetes", "/opt/audit.yaml", "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env",
    ]  # fmt: skip
    kinds = {each["hostPath"]["path"]: each["hostPath"].get("type") for each in pod["volumes"] if "hostPath" in each}
    assert kinds["/etc/kubernetes"] == "DirectoryOrCreate"
    assert kinds["/var/lib/kubelet/config.yaml"] == "File"
    assert kinds["/opt/audit.yaml"] is None


def test_a_copy_inside_the_state_directory_is_mounted_once() -> None:
    _, _, container = parts(places=(PurePosixPath("/var/lib/backstay/copies"),))
    paths = [each["mountPath"] for each in container["volumeMounts"]]
    assert len(paths) == len(set(paths))
    assert "/var/lib/backstay/copies" not in paths


def test_secrets_come_from_a_secret_and_are_in_no_object() -> None:
    objects = cronjob_objects(deployment(), WISH)
    assert [each["kind"] for each in objects] == ["ServiceAccount", "ConfigMap", "CronJob"]
    _, _, container = parts()
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert deployment().variables == ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def test_another_namespace_is_made_and_may_use_the_host() -> None:
    objects = cronjob_objects(deployment(), ClusterWish("image", namespace="backups"))
    assert objects[0]["kind"] == "Namespace"
    assert objects[0]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}
    assert {each["metadata"]["namespace"] for each in objects[1:]} == {"backups"}


def test_names_are_names_of_kubernetes_and_never_shared() -> None:
    assert deployment(cluster="payments-fra").name == "backstay-payments-fra"
    names = {deployment(cluster=cluster).name for cluster in ("a.b", "a-b", "A-b", "a_b", "x" * 63, "x" * 62)}
    assert len(names) == 6
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) and len(name) <= 52 for name in names)
