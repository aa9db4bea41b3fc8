"""The agent as a CronJob with everything it needs, as plain objects in the order in which they are applied.

    Namespace           only where it is not kube-system: hostNetwork and hostPath need the level `privileged`
    ServiceAccount      without a token: the agent never talks to the API server
    ConfigMap           backstay.toml as it was given; it holds no secret
    CronJob             on control-plane nodes, where etcd listens on the host and its client certificate lies

The pod runs as root because etcd's keys are root's, with no capability, a read-only root file system and no shell.
What it writes: its state and the configured directories on the host, and one scratch volume that goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import backstay
from backstay.deploy.cadence import cron_text
from backstay.deploy.companions import companion_paths
from backstay.deploy.deployment import Deployment, outermost

KubernetesObject = dict[str, Any]

SYSTEM = "kube-system"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_FORMER_CONTROL_PLANE = "node-role.kubernetes.io/master"
_HOST_NAME = "kubernetes.io/hostname"
_CONFIGURATION = PurePosixPath("/etc/backstay")
_SIGNING_KEY = PurePosixPath("/run/secrets/backstay")
_SCRATCH = PurePosixPath("/scratch")
_KEPT_JOBS = 3
_GRACE_SECONDS = 30
_LEAST_DEADLINE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class ClusterWish:
    """Where and as what the pods run. `node` pins them to one host, whose state directory then serves every run."""

    image: str
    namespace: str = SYSTEM
    node: str = ""
    schedule: str = ""
    secret: str = ""
    signing_key_secret: str = ""
    pull_secret: str = ""
    scratch: str = "16Gi"
    memory: str = "1Gi"


def cronjob_objects(deployment: Deployment, wish: ClusterWish) -> list[KubernetesObject]:
    """All objects, in order."""
    name = deployment.name
    objects: list[KubernetesObject] = []
    if wish.namespace != SYSTEM:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": wish.namespace,
                    "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
                },
            }
        )
    objects += [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _metadata(deployment, wish),
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": _metadata(deployment, wish),
            "data": {"backstay.toml": deployment.configuration},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": _metadata(deployment, wish),
            "spec": {
                "schedule": wish.schedule or cron_text(deployment.minutes),
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": max(60 * deployment.minutes, _LEAST_DEADLINE_SECONDS),
                "successfulJobsHistoryLimit": _KEPT_JOBS,
                "failedJobsHistoryLimit": _KEPT_JOBS,
                "jobTemplate": {
                    "metadata": {"labels": _labels(name)},
                    "spec": {
                        # The next look tries again, after a pause that `run` knows; Kubernetes would not wait.
                        "backoffLimit": 0,
                        "activeDeadlineSeconds": deployment.longest // timedelta(seconds=1),
                        "template": {"metadata": {"labels": _labels(name)}, "spec": _pod(deployment, wish)},
                    },
                },
            },
        },
    ]
    return objects


def command_of(deployment: Deployment, wish: ClusterWish) -> list[str]:
    """What the container runs: one program and its arguments, no shell."""
    words = ["backstay", "run", "--once", "--cluster", deployment.cluster]
    words += ["--config", str(_CONFIGURATION / "backstay.toml"), "--state-dir", str(deployment.state)]
    words += ["--scratch", str(_SCRATCH)]
    if wish.signing_key_secret:
        words += ["--signing-key", str(_SIGNING_KEY / "signing.key")]
    if deployment.metrics_file is not None:
        words += ["--metrics-file", str(deployment.metrics_file)]
    return words


def _pod(deployment: Deployment, wish: ClusterWish) -> KubernetesObject:
    volumes, mounts = _volumes(deployment, wish)
    container: KubernetesObject = {
        "name": "backstay",
        "image": wish.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command_of(deployment, wish),
        "env": [{"name": "TMPDIR", "value": str(_SCRATCH)}, {"name": "HOME", "value": str(_SCRATCH)}],
        "volumeMounts": mounts,
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"},
            # No limit on processor time: who is throttled breaks his RPO.
            "limits": {"memory": wish.memory},
        },
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "privileged": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if wish.secret:
        container["envFrom"] = [{"secretRef": {"name": wish.secret}}]
    pod: KubernetesObject = {
        "serviceAccountName": deployment.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": True,
        # The host's own resolver: the cluster's may be what is broken.
        "dnsPolicy": "Default",
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "nodeSelector": {CONTROL_PLANE: ""} | ({_HOST_NAME: wish.node} if wish.node else {}),
        "tolerations": [{"key": key, "operator": "Exists"} for key in (CONTROL_PLANE, _FORMER_CONTROL_PLANE)],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": volumes,
    }
    if wish.namespace == SYSTEM:
        pod["priorityClassName"] = "system-cluster-critical"
    if wish.pull_secret:
        pod["imagePullSecrets"] = [{"name": wish.pull_secret}]
    return pod


def _volumes(deployment: Deployment, wish: ClusterWish) -> tuple[list[KubernetesObject], list[KubernetesObject]]:
    volumes: list[KubernetesObject] = []
    mounts: list[KubernetesObject] = []

    def add(name: str, path: PurePosixPath, source: Mapping[str, Any], *, is_read_only: bool) -> None:
        volumes.append({"name": name, **source})
        mounts.append({"name": name, "mountPath": str(path)} | ({"readOnly": True} if is_read_only else {}))

    def add_host(name: str, paths: Sequence[PurePosixPath], kind: str, *, is_read_only: bool = False) -> None:
        for number, path in enumerate(paths):
            own = f"{name}-{number}" if number else name
            add(own, path, {"hostPath": {"path": str(path), "type": kind}}, is_read_only=is_read_only)

    add("configuration", _CONFIGURATION, {"configMap": {"name": deployment.name}}, is_read_only=True)
    companions = companion_paths(deployment.companions)
    seen = [each.path for each in companions]
    # The files alone: beside them lie the keys of the authority and of the server.
    add_host("pki", [path for path in deployment.pki if path in outermost([path, *seen])], "File", is_read_only=True)
    for number, each in enumerate(companions):
        source = {"path": str(each.path)} | ({"type": each.kind} if each.kind else {})
        add(f"companions-{number}", each.path, {"hostPath": source}, is_read_only=True)
    add_host("state", [deployment.state], "DirectoryOrCreate")
    # `Directory`: what is not mounted on the host must fail, and not fill its root file system.
    inside = outermost([*deployment.places, deployment.state])
    add_host("copies", [path for path in inside if path in deployment.places and path != deployment.state], "Directory")
    if deployment.metrics is not None:
        add_host("metrics", [deployment.metrics], "Directory")
    if wish.signing_key_secret:
        secret = {"secretName": wish.signing_key_secret, "defaultMode": 0o400}
        add("signing-key", _SIGNING_KEY, {"secret": secret}, is_read_only=True)
    add("scratch", _SCRATCH, {"emptyDir": {"sizeLimit": wish.scratch}}, is_read_only=False)
    return volumes, mounts


def _labels(name: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "backstay",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/component": "agent",
    }


def _metadata(deployment: Deployment, wish: ClusterWish) -> KubernetesObject:
    labels = _labels(deployment.name) | {"app.kubernetes.io/version": backstay.__version__}
    return {"name": deployment.name, "namespace": wish.namespace, "labels": labels}
