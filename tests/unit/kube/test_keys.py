"""Keys and names: every exception of Kubernetes' layout, other prefixes, and what people remember of keys."""

from __future__ import annotations

import pytest

from backstay.kube.keys import Layout, clean_prefix
from backstay.kube.resources import BUILT_IN, Resource, Resources

LAYOUT = Layout(("/registry",))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("/registry/pods/default/web", ("", "pods", "Pod", "default", "web")),
        ("/registry/minions/node-1", ("", "nodes", "Node", "", "node-1")),
        ("/registry/services/specs/default/web", ("", "services", "Service", "default", "web")),
        ("/registry/services/endpoints/default/web", ("", "endpoints", "Endpoints", "default", "web")),
        ("/registry/controllers/a/b", ("", "replicationcontrollers", "ReplicationController", "a", "b")),
        ("/registry/ingress/a/b", ("networking.k8s.io", "ingresses", "Ingress", "a", "b")),
        ("/registry/podsecuritypolicy/p", ("policy", "podsecuritypolicies", "PodSecurityPolicy", "", "p")),
        (
            "/registry/clusterroles/system:node",
            ("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", "", "system:node"),
        ),
        ("/registry/ipaddresses/fd00::1", ("networking.k8s.io", "ipaddresses", "IPAddress", "", "fd00::1")),
        (
            "/registry/apiregistration.k8s.io/apiservices/v1.apps",
            ("apiregistration.k8s.io", "apiservices", "APIService", "", "v1.apps"),
        ),
        ("/registry/shop.example.com/orders/ns/o", ("shop.example.com", "orders", "", "ns", "o")),
        ("/registry/shop.example.com/regions/r", ("shop.example.com", "regions", "", "", "r")),
        ("/registry/ranges/serviceips", ("", "ranges", "RangeAllocation", "", "serviceips")),
        ("/registry/masterleases/192.0.2.1", ("", "masterleases", "Endpoints", "", "192.0.2.1")),
        ("/registry/routes/ns/r", ("", "routes", "", "ns", "r")),
    ],
)
def test_a_key_says_what_its_object_is_called(key: str, name: tuple[str, str, str, str, str]) -> None:
    found = LAYOUT.identify(key.encode())
    assert found is not None
    assert (found.group, found.resource, found.kind, found.namespace, found.name) == name
    assert found.version == ""


@pytest.mark.parametrize("key", [
    b"compact_rev_key", b"", b"/registry", b"/registry/", b"/registry/pods/", b"/registry/pods/a/b/c", b"/registryx/pods/a/b",
    b"/other/pods/a/b", b"/registry//", b"\xff\x00", b"/registry/a.b/", b"/registry/x/y/z/w/v",
])  # fmt: skip
def test_what_names_no_object_has_no_identity(key: bytes) -> None:
    found = LAYOUT.identify(key)
    assert found is None or (found.resource and found.name), found


def test_keys_and_names_go_both_ways_for_every_resource() -> None:
    for resource in BUILT_IN:
        namespace = "ns" if resource.namespaced and not resource.is_special else ""
        found = LAYOUT.identify(LAYOUT.key(resource, "name", namespace))
        assert found is not None
        assert (found.group, found.resource, found.kind) == (resource.group, resource.resource, resource.kind)
        assert (found.namespace, found.name) == (namespace, "name")


def test_prefixes_are_taken_as_the_api_server_takes_them() -> None:
    assert [clean_prefix(text) for text in ("kubernetes.io", "/registry/", "//a//b/")] == [
        "/kubernetes.io",
        "/registry",
        "/a/b",
    ]
    layout = Layout(("kubernetes.io", "/openshift.io"))
    found = layout.identify(b"/kubernetes.io/secrets/a/b")
    assert found is not None and found.resource == "secrets"
    assert layout.identify(b"/registry/secrets/a/b") is None
    routes = layout.identify(b"/openshift.io/routes/ns/web")
    assert routes is not None and (routes.resource, routes.namespace) == ("routes", "ns")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/registry/services/default/web", b"/registry/services/specs/default/web"),
        ("/registry/nodes/a", b"/registry/minions/a"),
        ("nodes/a", b"/registry/minions/a"),
        ("deploy/default/web", b"/registry/deployments/default/web"),
        ("/registry/apps/deployments/default/web", b"/registry/deployments/default/web"),
        ("/registry/deployments.apps/default/web", b"/registry/deployments/default/web"),
        ("/registry/networking.k8s.io/ingresses/a/b", b"/registry/ingress/a/b"),
        ("pod/web", b"/registry/pods/default/web"),
        ("/registry/pods/default/web", b"/registry/pods/default/web"),
    ],
)
def test_a_key_as_people_remember_it_is_found(written: str, meant: bytes) -> None:
    candidates = list(LAYOUT.candidates(written))
    assert meant in candidates
    assert candidates[0] == written.encode()
    assert len(candidates) == len(set(candidates))


def test_resources_are_found_by_every_name_that_kubectl_takes() -> None:
    resources = Resources(
        [Resource("shop.example.com", "widgets", "Widget", True, "shop.example.com/widgets", ("wd",), "widget")]
    )
    for text, wanted in {
        "events.events.k8s.io": "events",
        "po": "pods", "Pod": "pods", "svc": "services", "deployments.apps": "deployments", "deployment.v1.apps": "deployments",
        "crd": "customresourcedefinitions", "wd": "widgets", "widgets.shop.example.com": "widgets", "ep": "endpoints",
    }.items():  # fmt: skip
        found = resources.find(text)
        assert found is not None and found.resource == wanted, text
    assert resources.find("nothing") is None
    assert resources.find("ranges") is None, "the API never serves it"
    assert {each.resource for each in resources.in_category("all")} >= {"pods", "services", "jobs"}
    custom = resources.of_kind("shop.example.com", "Widget")
    assert custom is not None and custom.is_custom is False


def test_the_usual_prefix_is_forgiven_in_a_cluster_with_another() -> None:
    layout = Layout(("/kubernetes.io",))
    assert b"/kubernetes.io/services/specs/default/web" in list(layout.candidates("/registry/services/default/web"))
