"""The tables of devices (dynamic resource allocation), of autoscaling, and of evictions."""

from __future__ import annotations

from backstay.kube.printing.ages import UNKNOWN, age, moment_of, until
from backstay.kube.printing.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Cell,
    Column,
    Context,
    at,
    conditions,
    first_few,
    is_true,
    items,
    number,
    number_at,
    part,
    text,
)
from backstay.kube.values import JsonObject

_MOST_METRICS = 2


def _claim_state(item: JsonObject, _: Context) -> str:
    states = []
    is_deleted = part(item, "metadata", "deletionTimestamp") is not None
    if is_deleted:
        states.append("deleted")
    if part(item, "status", "allocation") is not None:
        states.append("allocated")
        if items(item, "status", "reservedFor"):
            states.append("reserved")
    elif not is_deleted:
        states.append("pending")
    return ",".join(states)


CLAIM = (NAME, Column("State", _claim_state), AGE)
SLICE = (
    NAME,
    Column("Node", at("spec", "nodeName")),
    Column("Driver", at("spec", "driver")),
    Column("Pool", at("spec", "pool", "name")),
    AGE,
)


def _time_added(item: JsonObject, context: Context) -> str:
    added = part(item, "spec", "taint", "timeAdded")
    return "" if added is None else age(added, context.now)


TAINT_RULE = (
    NAME,
    Column("Key", at("spec", "taint", "key")),
    Column("Value", at("spec", "taint", "value")),
    Column("Effect", at("spec", "taint", "effect")),
    Column("TimeAdded", _time_added),
    AGE,
)


def _is_failed(item: JsonObject) -> bool:
    """Whether the first of the two final conditions that is true says so."""
    for each in items(item, "status", "conditions"):
        if is_true(each) and each.get("type") in ("Complete", "Failed"):
            return each.get("type") == "Failed"
    return False


def _pool_sum(name: str, item: JsonObject) -> str:
    if part(item, "status") is None or _is_failed(item):
        return "-"
    pools = items(item, "status", "pools")
    if name == "validationError":
        return str(sum(each.get(name) is not None for each in pools))
    return str(sum(number(each, name) for each in pools))


def _pool_status(item: JsonObject, _: Context) -> str:
    if _is_failed(item):
        return "Failed"
    if not is_true(conditions(item).get("Complete")):
        return "Pending"
    there, all_of_them = len(items(item, "status", "pools")), number(item, "status", "poolCount")
    return f"Complete ({there}/{all_of_them} pools)" if all_of_them > there else "Complete"


def _pool_completed(item: JsonObject, context: Context) -> str:
    complete = conditions(item).get("Complete")
    if complete is None or not is_true(complete) or _is_failed(item):
        return NONE
    return age(complete.get("lastTransitionTime"), context.now)


POOL_STATUS_REQUEST = (
    NAME,
    Column("Driver", at("spec", "driver")),
    Column("Total", lambda item, _: _pool_sum("totalDevices", item)),
    Column("Available", lambda item, _: _pool_sum("availableDevices", item)),
    Column("Allocated", lambda item, _: _pool_sum("allocatedDevices", item)),
    Column("Unavailable", lambda item, _: _pool_sum("unavailableDevices", item)),
    Column("Errors", lambda item, _: _pool_sum("validationError", item)),
    Column("Pools", number_at("status", "poolCount")),
    Column("Status", _pool_status),
    Column("Completed", _pool_completed),
)

_METRICS = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(spec: JsonObject, status: JsonObject | None) -> str:
    """`current/target` of one metric."""
    kind = text(spec, "type")
    name = _METRICS.get(kind)
    if name is None:
        return "<unknown type>"
    target, now = part(spec, name, "target"), part(status, name, "current")
    average = part(target, "averageValue")
    if kind in ("Resource", "ContainerResource"):
        prefix = f"{text(spec, name, 'name')}: "
        if average is not None:
            return f"{prefix}{_current(now, 'averageValue')}/{average}"
        utilization, wanted = part(now, "averageUtilization"), part(target, "averageUtilization")
        shown = UNKNOWN if utilization is None else f"{utilization}%"
        return f"{prefix}{shown}/{'<auto>' if wanted is None else f'{wanted}%'}"
    if kind == "Pods":
        return f"{_current(now, 'averageValue')}/{'0' if average is None else average}"
    if average is not None:
        known = UNKNOWN if part(now, "averageValue") is None else text(now, "averageValue")
        return f"{known}/{average} (avg)"
    return f"{_current(now, 'value')}/{text(target, 'value', default='0')}"


def _current(now: object, name: str) -> str:
    """What is measured; zero where the metric is there without that value."""
    return text(now, name, default="0") if isinstance(now, dict) else UNKNOWN


def _targets(item: JsonObject, _: Context) -> str:
    specs, statuses = items(item, "spec", "metrics"), part(item, "status", "currentMetrics")
    if not specs:
        return NONE
    known = statuses if isinstance(statuses, list) else []
    shown = [
        _metric(each, known[index] if index < len(known) and isinstance(known[index], dict) else None)
        for index, each in enumerate(specs)
    ]
    return first_few(shown, _MOST_METRICS, ", ")


def _reference(item: JsonObject, _: Context) -> str:
    return f"{text(item, 'spec', 'scaleTargetRef', 'kind')}/{text(item, 'spec', 'scaleTargetRef', 'name')}"


AUTOSCALER = (
    NAME,
    Column("Reference", _reference),
    Column("Targets", _targets),
    Column("MinPods", at("spec", "minReplicas", default=UNSET)),
    Column("MaxPods", number_at("spec", "maxReplicas")),
    Column("Replicas", number_at("status", "currentReplicas")),
    AGE,
)


def _target(item: JsonObject, _: Context) -> str:
    pod = part(item, "spec", "target", "pod")
    return UNSET if pod is None else text(pod, "name")


def _target_type(item: JsonObject, _: Context) -> str:
    return UNSET if part(item, "spec", "target", "pod") is None else "Pod"


def _eviction_status(item: JsonObject, _: Context) -> str:
    found = conditions(item)
    for name in ("TargetEvicted", "Failed"):
        condition = found.get(name)
        if condition is not None and is_true(condition):
            return f"{name} ({text(condition, 'reason')})"
    return "Progressing" if number(item, "status", "observedGeneration") > 0 else "Pending"


EVICTION_REQUEST = (
    NAME,
    Column("Target", _target),
    Column("Target Type", _target_type),
    Column("Status", _eviction_status),
    Column("Requester", at("spec", "requester")),
    Column("Intent", at("spec", "intent")),
    AGE,
)
_DONE = ("Canceled", "Interrupted", "Completed")


def _active_responder(item: JsonObject) -> tuple[JsonObject | None, int, int]:
    """The responder that is at work, or the last that was; how many have been, and how many there are."""
    every = items(item, "status", "targetResponders")
    active = [each for each in every if each.get("state") == "Active"]
    done = [each for each in every if each.get("state") in _DONE]
    last = active[-1] if active else done[-1] if done else None
    return last, len(active) + len(done), len(every)


def _responder(item: JsonObject) -> tuple[str, JsonObject | None]:
    """State of the active responder, and what it reports."""
    active, _, _ = _active_responder(item)
    if active is None:
        return "", None
    reports = (each for each in items(item, "status", "responders") if each.get("name") == active.get("name"))
    return text(active, "state"), next(reports, None)


def _responder_name(item: JsonObject, _: Context) -> str:
    active, begun, all_of_them = _active_responder(item)
    return f"{UNSET if active is None else text(active, 'name')} ({begun}/{all_of_them})"


def _responder_status(item: JsonObject, context: Context) -> str:
    state, report = _responder(item)
    if report is None:
        return UNSET
    if state == "Active" and report.get("startTime") is not None:
        return f"Started ({age(report['startTime'], context.now)} ago)"
    if state == "Completed" and report.get("completionTime") is not None:
        return f"{state} ({age(report['completionTime'], context.now)} ago)"
    return state


def _responder_finish(item: JsonObject, context: Context) -> str:
    state, report = _responder(item)
    if report is None:
        return UNKNOWN
    if state in _DONE:
        return "-"
    expected = moment_of(report.get("expectedCompletionTime"))
    if report.get("startTime") is None or expected is None:
        return UNKNOWN
    time = report.get("expectedCompletionTime")
    return f"in {until(time, context.now)}" if expected > context.now else f"{age(time, context.now)} ago"


def _requesters(item: JsonObject, _: Context) -> str:
    every = items(item, "status", "requesters")
    names = sorted(text(each, "name") for each in every if each.get("intent") != "Withdrawn")
    return first_few(names, 1) if names else "<withdrawn>" if every else NONE


def _heartbeat(item: JsonObject, context: Context) -> Cell:
    _, report = _responder(item)
    beat = part(report, "heartbeatTime")
    return UNSET if beat is None else f"{age(beat, context.now)} ago"


def _message(item: JsonObject, _: Context) -> str:
    return text(_responder(item)[1], "message").strip() or UNSET


EVICTION = (
    NAME,
    Column("Target", _target),
    Column("Target Type", _target_type),
    Column("Status", _eviction_status),
    Column("Active Responder", _responder_name),
    Column("Responder Status", _responder_status),
    Column("Responder Expected Finish", _responder_finish),
    Column("Requesters", _requesters),
    AGE,
    Column("Responder Heartbeat", _heartbeat, wide=True),
    Column("Responder Status Message", _message, wide=True),
)
