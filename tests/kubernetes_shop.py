"""A namespace as people fill them: some three hundred objects of two dozen kinds, for tests on a real API server.

`definition()` is the CustomResourceDefinition, `objects("production")` is everything in the namespace, itself included.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_GROUP = "example.test"
_POD = {"containers": [{"name": "web", "image": "example.test/web:1", "ports": [{"containerPort": 80}]}]}


def definition() -> Json:
    """A kind of its own, with a status of its own."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
    }  # fmt: skip
    names = {"plural": "cars", "singular": "car", "kind": "Car"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"cars.{_GROUP}"},
        "spec": {"group": _GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def objects(namespace: str) -> Iterator[Json]:
    """The Namespace, then what is in it, in an order in which it can be created."""
    yield _object("v1", "Namespace", namespace, labels={"team": "shop"})
    for each in _in_namespace():
        each["metadata"]["namespace"] = namespace
        yield each


def _in_namespace() -> Iterator[Json]:
    for n in range(15):
        yield _object("v1", "ServiceAccount", f"account-{n}")
    for n in range(80):
        yield _object("v1", "ConfigMap", f"config-{n}", data={"text": "žluťoučký\n" * (n + 1), "n": str(n)})
    for n in range(60):
        yield _object(
            "v1", "Secret", f"secret-{n}", type="Opaque", data={"p": base64.b64encode(bytes([n] * 20)).decode()}
        )
    yield _object("v1", "LimitRange", "limits", spec={"limits": [{"type": "Container", "default": {"cpu": "500m"}}]})
    for n in range(10):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{n + 1}Gi"}}}
        yield _object("v1", "PersistentVolumeClaim", f"claim-{n}", spec={**spec, "storageClassName": "none"})
    yield from _rights()
    yield from _network()
    yield from _workloads()
    yield from _policies()
    for n in range(20):
        yield _object(f"{_GROUP}/v1", "Car", f"car-{n}", spec={"wheels": 4, "deep": {"list": [1, 2.5, None, "x"]}})


def _rights() -> Iterator[Json]:
    group = "rbac.authorization.k8s.io"
    for n in range(10):
        rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"][: n % 2 + 1]}
        yield _object(f"{group}/v1", "Role", f"role-{n}", rules=[rule])
        yield _object(
            f"{group}/v1", "RoleBinding", f"binding-{n}",
            roleRef={"apiGroup": group, "kind": "Role", "name": f"role-{n}"},
            subjects=[{"kind": "ServiceAccount", "name": f"account-{n}"}],
        )  # fmt: skip


def _network() -> Iterator[Json]:
    for n in range(16):
        spec: Json = {"selector": {"app": f"web-{n}"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
        if n % 4 == 1:
            spec["clusterIP"] = "None"
        elif n % 4 == 2:
            spec["type"] = "NodePort"
        yield _object("v1", "Service", f"web-{n}", spec=spec)
    yield _object("v1", "Service", "fixed", spec={"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]})
    for n in range(3):
        yield _object("v1", "Service", f"outside-{n}", spec={"ports": [{"port": 5432}]})
        subset = {"addresses": [{"ip": f"192.0.2.{n + 1}"}], "ports": [{"port": 5432}]}
        yield _object("v1", "Endpoints", f"outside-{n}", subsets=[subset])
    for n in range(3):
        yield _object(
            "discovery.k8s.io/v1", "EndpointSlice", f"own-{n}", addressType="IPv4",
            endpoints=[{"addresses": [f"192.0.2.{n + 40}"]}], ports=[{"port": 80}],
        )  # fmt: skip
    for n in range(10):
        path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web-0", "port": {"number": 80}}}}
        rules = [{"host": f"{n}.example.test", "http": {"paths": [path]}}]
        yield _object("networking.k8s.io/v1", "Ingress", f"ingress-{n}", spec={"rules": rules})
        policy = {"podSelector": {"matchLabels": {"app": f"web-{n}"}}, "policyTypes": ["Ingress"]}
        yield _object("networking.k8s.io/v1", "NetworkPolicy", f"policy-{n}", spec=policy)


def _workloads() -> Iterator[Json]:
    for n in range(15):
        yield _object("apps/v1", "Deployment", f"web-{n}", spec={"replicas": 1, **_selected(f"web-{n}")})
    for n in range(4):
        claim = {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        spec = {"serviceName": "web-1", "replicas": 1, "volumeClaimTemplates": [claim], **_selected(f"db-{n}")}
        yield _object("apps/v1", "StatefulSet", f"db-{n}", spec=spec)
    for n in range(2):
        yield _object("apps/v1", "DaemonSet", f"agent-{n}", spec=_selected(f"agent-{n}"))
        yield _object("apps/v1", "ReplicaSet", f"bare-{n}", spec={"replicas": 1, **_selected(f"bare-{n}")})
        labels = {"app": f"old-{n}"}
        template = {"metadata": {"labels": labels}, "spec": _POD}
        spec = {"replicas": 1, "selector": labels, "template": template}
        yield _object("v1", "ReplicationController", f"old-{n}", spec=spec)
        yield _object("v1", "PodTemplate", f"template-{n}", template=template)
    for n in range(4):
        yield _object("v1", "Pod", f"single-{n}", spec=_POD)
    job = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
    for n in range(4):
        yield _object("batch/v1", "Job", f"job-{n}", spec=job)
        yield _object("batch/v1", "CronJob", f"cron-{n}", spec={"schedule": "0 5 1 1 *", "jobTemplate": {"spec": job}})


def _policies() -> Iterator[Json]:
    for n in range(10):
        selector = {"matchLabels": {"app": f"web-{n}"}}
        yield _object("policy/v1", "PodDisruptionBudget", f"budget-{n}", spec={"minAvailable": 1, "selector": selector})
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"web-{n}"}
        spec = {"minReplicas": 1, "maxReplicas": n + 2, "scaleTargetRef": target}
        yield _object("autoscaling/v2", "HorizontalPodAutoscaler", f"scaler-{n}", spec=spec)
    yield _object("v1", "ResourceQuota", "quota", spec={"hard": {"pods": "200", "count/configmaps": "500"}})


def _selected(app: str) -> Json:
    labels = {"app": app}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": _POD}}


def _object(api_version: str, kind: str, name: str, *, labels: Json | None = None, **body: Any) -> Json:
    metadata: Json = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
