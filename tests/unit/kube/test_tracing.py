"""A story holds what belongs to an object and nothing else, in the words of each kind."""

from __future__ import annotations

import json
from typing import Any

from backstay.formats.mvcc import KeyValue
from backstay.kube.decode import ObjectDecoder
from backstay.kube.keys import Layout
from backstay.kube.release import Release
from backstay.kube.tracing import Step, Story, is_ready
from backstay.kube.values import Identity, KubernetesObject
from backstay.values import Revision

DECODE = ObjectDecoder(Layout(), Release(1, 37)).decode
WEB = Identity("", "", "pods", "Pod", "shop", "web")


def pod(name: str = "web", version: int = 1, **parts: Any) -> KubernetesObject:
    value = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "shop", "uid": name}, **parts}
    return DECODE(KeyValue(f"/registry/pods/shop/{name}".encode(), 1, 5, version, json.dumps(value).encode()))


def told(story: Story, each: KubernetesObject) -> Step | None:
    return story.tell(Revision(5), each.key, each)


def test_the_life_of_a_pod_in_its_own_words() -> None:
    story = Story(WEB)
    assert told(story, pod("other")) is None
    first = told(story, pod())
    assert first is not None
    assert first.event == "created"
    second = told(story, pod(version=2, spec={"nodeName": "node-1"}, status={"phase": "Pending"}))
    assert second is not None
    assert second.details == ("bound to node-1", "phase none -> Pending")
    running = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "web", "state": {"running": {}}}],
    }
    third = told(story, pod(version=3, spec={"nodeName": "node-1"}, status=running))
    assert third is not None
    assert third.details == ("phase Pending -> Running", "container web running", "Ready True")
    assert is_ready(story.root)
    last = story.tell(Revision(9), b"/registry/pods/shop/web", None)
    assert last is not None
    assert last.event == "deleted"
    assert story.was_deleted


def test_events_about_an_object_belong_to_its_story() -> None:
    story = Story(WEB)
    told(story, pod())
    value = {
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e", "namespace": "shop", "uid": "e"},
        "involvedObject": {"uid": "web"}, "reason": "Scheduled", "message": "on node-1", "lastTimestamp": "2026-11-25T00:00:00Z",
    }  # fmt: skip
    event = DECODE(KeyValue(b"/registry/events/shop/e", 1, 6, 1, json.dumps(value).encode()))
    step = told(story, event)
    assert step is not None
    assert step.details == ("Scheduled: on node-1",)
    assert step.time == "2026-11-25T00:00:00Z"


def test_values_of_a_secret_are_not_told() -> None:
    story = Story(Identity("", "", "secrets", "Secret", "shop", "web"))
    for version, value in ((1, "aHVudGVyMg=="), (2, "aHVudGVyMw==")):
        body = {"kind": "Secret", "apiVersion": "v1", "data": {"p": value}}
        step = told(story, DECODE(KeyValue(b"/registry/secrets/shop/web", 1, 5, version, json.dumps(body).encode())))
    assert step is not None
    assert step.details == ("data.p",)


def test_odd_objects_tell_something_and_raise_nothing() -> None:
    for odd in (None, [], "x", {"phase": []}, {"conditions": {}}, {"containerStatuses": [{"state": []}]}):
        story = Story(WEB)
        told(story, pod())
        assert told(story, pod(version=2, status=odd, spec=odd)) is not None
        assert not is_ready(story.root)
