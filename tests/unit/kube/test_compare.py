"""Two objects are compared as Kubernetes means them: by the names of elements, and by the value of quantities."""

from __future__ import annotations

import time
from typing import Any

import pytest

from backstay.formats.mvcc import KeyValue
from backstay.kube.compare import MISSING, Change, compare_objects, compare_stored, shown
from backstay.kube.compare.fields import CHANGE_LIMIT
from backstay.kube.compare.noise import STANDARD
from backstay.kube.compare.quantities import quantity
from backstay.kube.compare.sets import ObjectChange, Pair
from backstay.kube.decode import ObjectDecoder
from backstay.kube.keys import Layout
from backstay.kube.release import Release

DECODE = ObjectDecoder(Layout(), Release(1, 37)).decode


def paths(before: Any, after: Any, **options: Any) -> list[str]:
    return [change.path for change in compare_objects(before, after, **options)]


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": list(containers)}}


def test_an_element_is_found_by_its_name_wherever_it_stands() -> None:
    before = pod({"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"})
    after = pod({"name": "proxy"}, {"name": "web", "image": "web:2"}, {"name": "log", "image": "log:1"})
    found = compare_objects(before, after)
    assert [each.path for each in found] == ["spec.containers[name=web].image", "spec.containers[name=proxy]"]
    assert found[0][1:] == ("web:1", "web:2")
    assert found[1].before is MISSING


def test_ports_are_named_by_number_and_protocol() -> None:
    before = {"ports": [{"port": 80}, {"port": 80, "protocol": "UDP", "name": "a"}]}
    after = {"ports": [{"port": 80}, {"port": 80, "protocol": "UDP", "name": "b"}]}
    assert paths(before, after) == ["ports[port=80,protocol=UDP].name"]


def test_elements_without_names_of_their_own_are_compared_by_position() -> None:
    twice = [{"name": "x", "image": "1"}, {"name": "x", "image": "2"}]
    assert paths(pod(*twice), pod(twice[0], {"name": "x", "image": "3"})) == ["spec.containers[1].image"]
    assert paths({"rules": [{"a": 1}]}, {"rules": [{"a": 1}, {"a": 2}]}) == ["rules[1]"]
    assert paths({"rules": [{"a": 1}, {"a": 2}]}, {"rules": [{"a": 0}, {"a": 1}, {"a": 2}]}) == ["rules[0]"]
    assert paths({"rules": [{"a": 1}, {"a": 2}]}, {"rules": [{"a": 2}, {"a": 1}]}) == ["rules[order]"]


def test_another_order_of_named_elements_is_said() -> None:
    assert paths(pod({"name": "a"}, {"name": "b"}), pod({"name": "b"}, {"name": "a"})) == ["spec.containers[order]"]
    assert paths({"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "a"]}}) == []


@pytest.mark.parametrize(
    ("one", "other"), [("1Gi", "1024Mi"), ("500m", "0.5"), ("1e3", "1k"), (1, "1"), ("1000000n", "1m")]
)
def test_quantities_are_equal_by_value(one: Any, other: Any) -> None:
    before, after = ({"resources": {"limits": {"cpu": each}}} for each in (one, other))
    assert paths(before, after) == []
    assert paths({"data": {"x": one}}, {"data": {"x": other}}) == ["data.x"]


@pytest.mark.parametrize("text", ["1e999999999", "9" * 5000, "", ".", "1KiB", "e5", "١"])
def test_what_is_no_quantity_is_text(text: str) -> None:
    assert quantity(text) is None


def test_numbers_and_booleans_are_exact() -> None:
    assert paths({"a": 2**53}, {"a": 2**53 + 1}) == ["a"]
    assert paths({"a": [1, {"b": True}]}, {"a": [1, {"b": 1}]}) == ["a[1].b"]
    assert paths({"a": None}, {}) == ["a"]


def test_odd_names_are_quoted_in_paths() -> None:
    assert paths({"metadata": {"annotations": {}}}, {"metadata": {"annotations": {'x.y/z"': "1"}}}) == [
        'metadata.annotations["x.y/z\\""]'
    ]


def test_noise_is_left_out_on_request() -> None:
    before = {"metadata": {"resourceVersion": "1", "managedFields": []}, "status": {"a": 1}, "spec": {"status": 1}}
    after = {"metadata": {"resourceVersion": "2", "managedFields": [{}]}, "status": {"a": 2}, "spec": {"status": 2}}
    assert paths(before, after, noise=STANDARD) == ["spec.status"]
    assert len(paths(before, after)) == 4


def test_differences_without_number_are_bounded() -> None:
    found = compare_objects({str(i): 1 for i in range(3 * CHANGE_LIMIT)}, {str(i): 2 for i in range(3 * CHANGE_LIMIT)})
    assert len(found) == CHANGE_LIMIT


def test_long_lists_take_no_time_that_grows_with_their_square() -> None:
    long = [{"name": f"n{i}", "value": "1"} for i in range(30_000)]
    begun = time.process_time()
    assert len(paths({"env": long}, {"env": [*long[1:], {"name": "n0", "value": "2"}]})) == 2
    assert time.process_time() - begun < 2


def test_a_new_uid_is_another_object() -> None:
    assert change_of('{"uid":"1"}', '{"uid":"2"}').change is Change.RECREATED
    assert change_of('{"uid":"1"}', '{"uid":"1","labels":{}}').change is Change.CHANGED


def test_a_value_that_is_no_object_is_compared_as_text() -> None:
    pair = Pair(
        b"compact_rev_key", KeyValue(b"compact_rev_key", 1, 1, 1, b"5"), KeyValue(b"compact_rev_key", 1, 2, 2, b"9")
    )
    (change,) = compare_stored([pair], DECODE, DECODE)
    assert change.fields[0][1:] == ("5", "9")


def test_values_of_secrets_are_hidden_and_that_they_differ_is_not() -> None:
    before, after = (
        KeyValue(
            b"/registry/secrets/a/b", 1, number, 1, b'{"kind":"Secret","apiVersion":"v1","data":{"p":"%s"}}' % value
        )
        for number, value in ((1, b"b2xkb25l"), (2, b"bmV3b25l"))
    )
    (change,) = compare_stored([Pair(before.key, before, after)], DECODE, DECODE)
    assert change.fields[-1].before == "b2xkb25l"
    hidden = shown(change)
    assert hidden.fields[-1].path == "data.p"
    assert hidden.fields[-1].before != hidden.fields[-1].after
    assert "b2xkb25l" not in repr(hidden)
    assert "bmV3b25l" not in repr(hidden)


def change_of(before: str, after: str) -> ObjectChange:
    def item(metadata: str, revision: int) -> KeyValue:
        value = f'{{"kind":"ConfigMap","apiVersion":"v1","metadata":{metadata}}}'.encode()
        return KeyValue(b"/registry/configmaps/a/b", 1, revision, 1, value)

    pair = Pair(b"/registry/configmaps/a/b", item(before, 1), item(after, 2))
    (change,) = compare_stored([pair], DECODE, DECODE)
    return change
