"""What is exported can be applied: nothing of the server is in it, and nothing that comes back by itself."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.kube.exporting import Left, Surroundings, applicable, left_out, sort_key
from backstay.kube.values import Identity

NOTHING = Surroundings()


def identity(kind: str, resource: str, group: str = "", namespace: str = "shop", name: str = "web") -> Identity:
    return Identity(group, "v1", resource, kind, namespace, name)


def made(resource: str, json: dict[str, Any], surroundings: Surroundings = NOTHING, group: str = "") -> dict[str, Any]:
    whole = {"kind": "X", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}, **json}
    return applicable(identity("X", resource, group), whole, surroundings)


def why(resource: str, json: dict[str, Any], surroundings: Surroundings = NOTHING, **name: str) -> Left | None:
    return left_out(identity("X", resource, **name), {"kind": "X", "metadata": {}, **json}, surroundings)


def test_fields_of_the_server_are_taken_out() -> None:
    metadata = {
        "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1", "generation": 2, "creationTimestamp": "t",
        "managedFields": [{}], "generateName": "w", "labels": {"a": "b"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        "finalizers": ["kubernetes.io/pvc-protection", "example.com/hold"],
        "ownerReferences": [{"uid": "gone", "kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}],
    }  # fmt: skip
    before = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": {"a": "1"}, "status": {}}
    after = applicable(identity("ConfigMap", "configmaps"), before, NOTHING)
    assert after == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"a": "b"}, "finalizers": ["example.com/hold"]},
        "data": {"a": "1"},
    }
    assert before["metadata"] is metadata
    assert len(metadata) == 12


def test_an_owner_is_named_only_when_it_lives_in_the_target_with_that_uid() -> None:
    owner = {"uid": "u1", "kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    living = Surroundings(lives_in_target=lambda *name: name == ("apps", "Deployment", "shop", "web", "u1"))
    json = {"metadata": {"name": "a", "namespace": "shop", "ownerReferences": [owner]}}
    assert made("configmaps", json, living)["metadata"]["ownerReferences"] == [owner]
    assert "ownerReferences" not in made("configmaps", json)["metadata"]


def test_a_service_gets_new_addresses_but_headless_stays_headless() -> None:
    spec = {
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    spec["ports"] = [{"port": 80, "nodePort": 30000}]  # type: ignore[assignment]
    assert made("services", {"spec": spec})["spec"] == {"ipFamilyPolicy": "SingleStack", "ports": [{"port": 80}]}
    assert made("services", {"spec": spec}, Surroundings(keeps_addresses=True))["spec"] == spec
    assert made("services", {"spec": {"clusterIP": "None"}})["spec"] == {"clusterIP": "None"}


def test_a_node_port_that_somebody_asked_for_stays() -> None:
    fields = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:nodePort": {}}}}}
    json = {
        "metadata": {"name": "web", "managedFields": [{"fieldsV1": fields}]},
        "spec": {"ports": [{"port": 80, "nodePort": 30000}]},
    }
    assert made("services", json)["spec"]["ports"] == [{"port": 80, "nodePort": 30000}]


def test_a_claim_keeps_its_volume_only_where_that_is() -> None:
    json = {
        "metadata": {"name": "data", "annotations": {"pv.kubernetes.io/bind-completed": "yes", "own": "1"}},
        "spec": {"volumeName": "pv-1"},
    }
    assert made("persistentvolumeclaims", json)["spec"] == {}
    kept = made("persistentvolumeclaims", json, Surroundings(has_volume=lambda name: name == "pv-1"))
    assert kept["spec"] == {"volumeName": "pv-1"}
    assert kept["metadata"]["annotations"] == {"own": "1"}


def test_a_volume_is_bound_to_the_restored_claim_and_to_no_other() -> None:
    claim = {"namespace": "shop", "name": "data", "uid": "u", "resourceVersion": "7"}
    assert made("persistentvolumes", {"spec": {"claimRef": claim}})["spec"]["claimRef"] == {
        "namespace": "shop",
        "name": "data",
    }


def test_a_pod_is_scheduled_anew_without_its_legacy_token() -> None:
    spec = {
        "nodeName": "a", "priority": 0, "ephemeralContainers": [], "serviceAccount": "own",
        "volumes": [{"name": "own-token-abcde", "secret": {"secretName": "own-token-abcde"}}, {"name": "data"}],
        "containers": [{"name": "web", "volumeMounts": [{"name": "own-token-abcde"}]}],
    }  # fmt: skip
    assert made("pods", {"spec": spec})["spec"] == {
        "serviceAccountName": "own",
        "volumes": [{"name": "data"}],
        "containers": [{"name": "web"}],
    }


def test_a_job_gets_the_selector_of_its_new_uid() -> None:
    labels = {"controller-uid": "u", "batch.kubernetes.io/controller-uid": "u", "job-name": "x", "app": "a"}
    spec = {"selector": {"matchLabels": {}}, "template": {"metadata": {"labels": labels, "creationTimestamp": None}}}
    assert made("jobs", {"spec": spec}, group="batch")["spec"] == {"template": {"metadata": {"labels": {"app": "a"}}}}
    assert "selector" in made("jobs", {"spec": {**spec, "manualSelector": True}}, group="batch")["spec"]


def test_an_aggregated_role_has_no_rules_of_its_own() -> None:
    json = {"aggregationRule": {"clusterRoleSelectors": []}, "rules": [{}]}
    assert "rules" not in made("clusterroles", json, group="rbac.authorization.k8s.io")


def test_status_is_data_where_a_custom_resource_has_no_status_of_its_own() -> None:
    json = {"status": {"a": 1}}
    assert "status" not in made("widgets", json, group="example.com")
    kept = Surroundings(status_is_data=frozenset({"widgets.example.com"}))
    assert made("widgets", json, kept, group="example.com")["status"] == {"a": 1}


@pytest.mark.parametrize(
    ("resource", "json", "expected"),
    [
        ("events", {}, Left.MADE),
        ("configmaps", {"metadata": {"deletionTimestamp": "t"}}, Left.ENDING),
        ("pods", {"status": {"phase": "Succeeded"}}, Left.OVER),
        ("pods", {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, Left.MADE),
        (
            "secrets",
            {
                "type": "kubernetes.io/service-account-token",
                "metadata": {"annotations": {"kubernetes.io/service-account.name": "w"}},
            },
            None,
        ),
        (
            "endpoints",
            {"metadata": {"annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "t"}}},
            Left.MADE,
        ),
        ("configmaps", {}, None),
        ("configmaps", {"$fields": {}}, Left.NOT_READ),
    ],
)
def test_what_comes_back_by_itself_is_left_out(resource: str, json: dict[str, Any], expected: Left | None) -> None:
    assert why(resource, json) is expected


def test_a_child_is_left_to_its_owner_and_an_orphan_is_not() -> None:
    owner = {"uid": "u", "kind": "ReplicaSet", "name": "web", "apiVersion": "apps/v1", "controller": True}
    json = {"metadata": {"ownerReferences": [owner]}}
    there = Surroundings(exists=lambda *name: name == ("apps", "ReplicaSet", "shop", "web"))
    assert why("pods", json, there) is Left.OWNED
    assert why("pods", json) is None
    claim = {"metadata": {"ownerReferences": [{**owner, "kind": "StatefulSet"}]}}
    assert why("persistentvolumeclaims", claim, Surroundings(exists=lambda *_: True)) is None


def test_a_secret_of_an_operator_is_data_that_it_would_make_anew() -> None:
    everything = Surroundings(exists=lambda *_: True)
    owner = {"uid": "u", "kind": "Database", "name": "db", "apiVersion": "example.com/v1", "controller": True}
    json = {"metadata": {"ownerReferences": [owner]}}
    assert why("secrets", json, everything) is None
    assert why("persistentvolumeclaims", json, everything) is None
    assert why("configmaps", json, everything) is Left.OWNED
    pod = {"metadata": {"ownerReferences": [{**owner, "kind": "Pod", "apiVersion": "v1"}]}}
    assert why("persistentvolumeclaims", pod, everything) is Left.OWNED


def test_a_custom_resource_with_a_name_of_kubernetes_is_no_resource_of_kubernetes() -> None:
    assert why("events", {}, group="shop.example.com") is None
    assert why("nodes", {}, group="mesh.example.com") is None


def test_namespaces_come_first_and_webhooks_last() -> None:
    kinds = [
        identity("X", "validatingwebhookconfigurations", "admissionregistration.k8s.io"), identity("X", "widgets", "e.com"),
        identity("X", "deployments", "apps"), identity("X", "configmaps"), identity("X", "namespaces"),
        identity("X", "customresourcedefinitions", "apiextensions.k8s.io"), identity("X", "serviceaccounts"),
    ]  # fmt: skip
    ordered = [each.resource for each in sorted(kinds, key=sort_key)]
    assert ordered == [
        "namespaces", "customresourcedefinitions", "serviceaccounts", "configmaps", "deployments", "widgets",
        "validatingwebhookconfigurations",
    ]  # fmt: skip
