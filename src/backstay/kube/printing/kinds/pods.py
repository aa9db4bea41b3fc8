"""The table of Pods: what `kubectl` makes of phase, conditions and containers in one word.

The word is found from the outside in: the phase, then the first init container that holds the pod up, then the last
container that has something to say, and at the end what deletion makes of it.
"""

from __future__ import annotations

from typing import NamedTuple

from backstay.kube.printing.ages import age
from backstay.kube.printing.columns import (
    AGE,
    NAME,
    NONE,
    Column,
    Context,
    conditions,
    flag,
    is_true,
    items,
    labels_text,
    number,
    part,
    text,
)
from backstay.kube.values import JsonObject

_ENDED = ("Succeeded", "Failed")


class PodState(NamedTuple):
    """What the containers of a pod add up to."""

    ready: int
    containers: int
    word: str
    restarts: int
    last_restart: str
    """When a container last ended before it was restarted; empty when none did."""


def pod_state(pod: JsonObject) -> PodState:
    """The state of `pod` in `kubectl`'s words."""
    init_containers = items(pod, "spec", "initContainers")
    sidecars = {text(each, "name") for each in init_containers if each.get("restartPolicy") == "Always"}
    containers = len(items(pod, "spec", "containers")) + sum(text(each, "name") in sidecars for each in init_containers)
    phase = text(pod, "status", "phase")
    word = text(pod, "status", "reason", default=phase)
    if any(
        each.get("type") == "PodScheduled" and each.get("reason") == "SchedulingGated"
        for each in items(pod, "status", "conditions")
    ):
        word = "SchedulingGated"
    first = _initializing(pod, sidecars, word, len(init_containers))
    ready, word, restarts, last_restart = first.ready, first.word, first.restarts, first.last_restart
    if not first.holds_up or is_true(conditions(pod).get("Initialized")):
        ready, word, restarts, last_restart = _running(pod, first)
    if part(pod, "metadata", "deletionTimestamp") is not None:
        if text(pod, "status", "reason") == "NodeLost":
            word = "Unknown"
        elif phase not in _ENDED:
            word = "Terminating"
    return PodState(ready, containers, word, restarts, last_restart)


class _Initializing(NamedTuple):
    ready: int
    word: str
    restarts: int
    last_restart: str
    sidecar_restarts: int
    sidecar_last_restart: str
    holds_up: bool


def _initializing(pod: JsonObject, sidecars: set[str], word: str, total: int) -> _Initializing:
    """What the init containers say, up to the first one that is not done."""
    ready = restarts = sidecar_restarts = 0
    last = sidecar_last = ""
    for index, status in enumerate(items(pod, "status", "initContainerStatuses")):
        is_sidecar = text(status, "name") in sidecars
        ended_before = text(status, "lastState", "terminated", "finishedAt")
        restarts += number(status, "restartCount")
        last = max(last, ended_before)
        if is_sidecar:
            sidecar_restarts += number(status, "restartCount")
            sidecar_last = max(sidecar_last, ended_before)
        terminated = part(status, "state", "terminated")
        if isinstance(terminated, dict) and number(terminated, "exitCode") == 0:
            continue
        if is_sidecar and flag(status, "started"):
            ready += flag(status, "ready")
            continue
        waiting = text(status, "state", "waiting", "reason")
        if isinstance(terminated, dict):
            word = f"Init:{_ending(terminated)}"
        elif waiting and waiting != "PodInitializing":
            word = f"Init:{waiting}"
        else:
            word = f"Init:{index}/{total}"
        return _Initializing(ready, word, restarts, last, sidecar_restarts, sidecar_last, holds_up=True)
    return _Initializing(ready, word, restarts, last, sidecar_restarts, sidecar_last, holds_up=False)


def _running(pod: JsonObject, first: _Initializing) -> tuple[int, str, int, str]:
    """What the containers proper say, the last one first."""
    ready, word = first.ready, first.word
    restarts, last = first.sidecar_restarts, first.sidecar_last_restart
    has_running, failure = False, ""
    for status in reversed(items(pod, "status", "containerStatuses")):
        restarts += number(status, "restartCount")
        last = max(last, text(status, "lastState", "terminated", "finishedAt"))
        waiting, terminated = text(status, "state", "waiting", "reason"), part(status, "state", "terminated")
        if waiting:
            word = waiting
        elif isinstance(terminated, dict):
            word = _ending(terminated)
            if number(terminated, "exitCode"):
                failure = word
        elif flag(status, "ready") and part(status, "state", "running") is not None:
            has_running = True
            ready += 1
    if word == "Completed":
        if has_running and is_true(_first(pod, "Ready")):
            word = "Running"
        elif failure:
            word = failure
        elif has_running:
            word = "NotReady"
    return ready, word, restarts, last


def _first(pod: JsonObject, condition: str) -> JsonObject | None:
    found = (each for each in items(pod, "status", "conditions") if each.get("type") == condition)
    return next((each for each in found if is_true(each)), None)


def _ending(terminated: JsonObject) -> str:
    reason, signal = text(terminated, "reason"), number(terminated, "signal")
    return reason or (f"Signal:{signal}" if signal else f"ExitCode:{number(terminated, 'exitCode')}")


def _ready(pod: JsonObject, _: Context) -> str:
    state = pod_state(pod)
    return f"{state.ready}/{state.containers}"


def _status(pod: JsonObject, _: Context) -> str:
    return pod_state(pod).word


def _restarts(pod: JsonObject, context: Context) -> str:
    state = pod_state(pod)
    if state.restarts and state.last_restart:
        return f"{state.restarts} ({age(state.last_restart, context.now)} ago)"
    return str(state.restarts)


def _address(pod: JsonObject, _: Context) -> str:
    addresses = items(pod, "status", "podIPs")
    return text(addresses[0], "ip", default=NONE) if addresses else NONE


def _gates(pod: JsonObject, _: Context) -> str:
    gates = items(pod, "spec", "readinessGates")
    if not gates:
        return NONE
    first: dict[str, JsonObject] = {}
    for each in items(pod, "status", "conditions"):
        first.setdefault(text(each, "type"), each)
    return f"{sum(is_true(first.get(text(each, 'conditionType'))) for each in gates)}/{len(gates)}"


def container_names(holder: object, *path: str) -> str:
    """The names of the containers of the pod spec at `path`."""
    return ",".join(text(each, "name") for each in items(holder, *path, "containers"))


def container_images(holder: object, *path: str) -> str:
    """Their images."""
    return ",".join(text(each, "image") for each in items(holder, *path, "containers"))


POD = (
    NAME,
    Column("Ready", _ready),
    Column("Status", _status),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", _address, wide=True),
    Column("Node", lambda pod, _: text(pod, "spec", "nodeName", default=NONE), wide=True),
    Column("Nominated Node", lambda pod, _: text(pod, "status", "nominatedNodeName", default=NONE), wide=True),
    Column("Readiness Gates", _gates, wide=True),
)
POD_TEMPLATE = (
    NAME,
    Column("Containers", lambda item, _: container_names(item, "template", "spec")),
    Column("Images", lambda item, _: container_images(item, "template", "spec")),
    Column("Pod Labels", lambda item, _: labels_text(part(item, "template", "metadata", "labels"))),
)
