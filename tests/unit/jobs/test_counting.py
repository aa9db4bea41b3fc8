"""Keys are counted by the resource that an administrator would name."""

from __future__ import annotations

import pytest

from backstay.jobs.counting import OTHER, resource_of


@pytest.mark.parametrize(
    ("key", "resource"),
    [
        (b"/registry/pods/default/web", "pods"),
        (b"/registry/services/specs/default/web", "services/specs"),
        (b"/registry/services/endpoints/default/web", "services/endpoints"),
        (b"/registry/cilium.io/ciliumnodes/one", "cilium.io/ciliumnodes"),
        (b"/registry/apiregistration.k8s.io/apiservices/v1.", "apiregistration.k8s.io/apiservices"),
        (b"/registry/namespaces/default", "namespaces"),
        (b"/registry/", ""),
        (b"compact_rev_key", OTHER),
        (b"/bootstrap/0a1b2c", OTHER),
    ],
)
def test_a_key_belongs_to_its_resource(key: bytes, resource: str) -> None:
    assert resource_of(key) == resource
