"""CustomResourceDefinitions: the stored form as the served one, and CRDs that lie."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.kube.crds import as_v1, is_v1beta1, resources_of
from backstay.kube.resources import Resources

STORED: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1beta1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "shop.example.com",
        "names": {"plural": "orders", "kind": "Order", "shortNames": ["or"], "categories": ["all"]},
        "scope": "Namespaced",
        "version": "v1",
        "versions": [{"name": "v1", "served": True, "storage": True}, {"name": "v2", "served": True, "storage": False}],
        "validation": {"openAPIV3Schema": {"type": "object"}},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [{"name": "A", "type": "string", "JSONPath": ".spec.a"}],
        "conversion": {
            "strategy": "Webhook", "webhookClientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"],
        },
        "preserveUnknownFields": False,
    },
}  # fmt: skip


def test_what_is_the_same_in_all_versions_is_printed_in_each() -> None:
    assert is_v1beta1(STORED)
    served = as_v1(STORED)
    assert served["apiVersion"] == "apiextensions.k8s.io/v1" and not is_v1beta1(served)
    spec = served["spec"]
    assert (
        not {"version", "validation", "subresources", "additionalPrinterColumns", "preserveUnknownFields"} & spec.keys()
    )
    for version in spec["versions"]:
        assert version["schema"] == {"openAPIV3Schema": {"type": "object"}}
        assert version["subresources"] == {"status": {}}
        assert version["additionalPrinterColumns"] == [{"name": "A", "type": "string", "jsonPath": ".spec.a"}]
    assert spec["conversion"] == {
        "strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]},
    }  # fmt: skip


def test_a_single_version_and_unknown_fields_are_as_v1beta1_means_them() -> None:
    spec = as_v1({"spec": {"version": "v1"}})["spec"]
    assert spec == {"versions": [{"name": "v1", "served": True, "storage": True}], "preserveUnknownFields": True}


@pytest.mark.parametrize(
    "spec",
    [
        None,
        [],
        "x",
        3,
        {},
        {"versions": 3},
        {"versions": [1, None]},
        {"conversion": []},
        {"additionalPrinterColumns": {"a": 1}, "versions": [{}]},
        {"names": []},
        {"names": {"plural": "a/b", "kind": "X"}, "group": "g"},
        {"names": {"plural": "a", "kind": 3}, "group": "g"},
        {"names": {"plural": "a", "kind": "A", "shortNames": {"x": 1}, "singular": 7}, "group": "g.h"},
    ],
)
def test_a_crd_that_lies_raises_nothing(spec: Any) -> None:
    stored = {**STORED, "spec": spec}
    assert as_v1(stored)["apiVersion"] == "apiextensions.k8s.io/v1"
    assert len(list(resources_of([stored]))) <= 1


def test_a_crd_cannot_take_the_place_of_what_is_built_in() -> None:
    spec = {"group": "services", "names": {"plural": "specs", "kind": "Spec", "shortNames": ["po"]}}
    assert not list(resources_of([{**STORED, "spec": spec}]))
    (custom,) = resources_of([{**STORED, "spec": {**spec, "group": "x.example.com"}}])
    pods = Resources([custom]).find("po")
    assert pods is not None and pods.kind == "Pod"
    taken = Resources([custom._replace(stored_below="services/specs")]).stored_at("services/specs")
    assert taken is not None and taken.kind == "Service"


def test_a_crd_adds_its_resource() -> None:
    (found,) = resources_of([as_v1(STORED)])
    assert (found.group, found.resource, found.kind, found.namespaced) == ("shop.example.com", "orders", "Order", True)
    assert (found.stored_below, found.short_names, found.singular) == ("shop.example.com/orders", ("or",), "order")
    assert found.is_custom and found.categories == ("all",)
