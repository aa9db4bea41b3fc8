"""The tables of what runs pods: Deployments, their ReplicaSets, StatefulSets, DaemonSets, Jobs, and the scheduler's groups."""

from __future__ import annotations

from backstay.kube.printing.ages import age, duration_text, moment_of
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
    is_true,
    items,
    labels_text,
    number,
    number_at,
    part,
    selector_or_none,
    size_at,
    text,
)
from backstay.kube.printing.kinds.pods import container_images, container_names
from backstay.kube.printing.label_selectors import selector_text
from backstay.kube.values import JsonObject

_TEMPLATE = ("spec", "template", "spec")
_CONTAINERS = Column("Containers", lambda item, _: container_names(item, *_TEMPLATE), wide=True)
_IMAGES = Column("Images", lambda item, _: container_images(item, *_TEMPLATE), wide=True)


def _selector(item: JsonObject, _: Context) -> str:
    return selector_or_none(part(item, "spec", "selector"))


def _desired(item: JsonObject, _: Context) -> int:
    # Not stored means one.
    return number(item, "spec", "replicas", default=1)


def _ready(item: JsonObject, context: Context) -> str:
    return f"{number(item, 'status', 'readyReplicas')}/{_desired(item, context)}"


DEPLOYMENT = (
    NAME,
    Column("Ready", _ready),
    Column("Up-to-date", number_at("status", "updatedReplicas")),
    Column("Available", number_at("status", "availableReplicas")),
    AGE,
    _CONTAINERS,
    _IMAGES,
    Column("Selector", lambda item, _: selector_text(part(item, "spec", "selector")), wide=True),
)
REPLICA_SET = (
    NAME,
    Column("Desired", _desired),
    Column("Current", number_at("status", "replicas")),
    Column("Ready", number_at("status", "readyReplicas")),
    AGE,
    _CONTAINERS,
    _IMAGES,
    Column("Selector", _selector, wide=True),
)
REPLICATION_CONTROLLER = (
    *REPLICA_SET[:-1],
    Column("Selector", lambda item, _: labels_text(part(item, "spec", "selector")), wide=True),
)
STATEFUL_SET = (NAME, Column("Ready", _ready), AGE, _CONTAINERS, _IMAGES)
DAEMON_SET = (
    NAME,
    Column("Desired", number_at("status", "desiredNumberScheduled")),
    Column("Current", number_at("status", "currentNumberScheduled")),
    Column("Ready", number_at("status", "numberReady")),
    Column("Up-to-date", number_at("status", "updatedNumberScheduled")),
    Column("Available", number_at("status", "numberAvailable")),
    Column("Node Selector", lambda item, _: labels_text(part(item, *_TEMPLATE, "nodeSelector"))),
    AGE,
    _CONTAINERS,
    _IMAGES,
    Column("Selector", _selector, wide=True),
)


def _completions(job: JsonObject, _: Context) -> str:
    succeeded, wanted = number(job, "status", "succeeded"), part(job, "spec", "completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = number(job, "spec", "parallelism")
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: JsonObject, context: Context) -> str:
    start, end = moment_of(part(job, "status", "startTime")), moment_of(part(job, "status", "completionTime"))
    return "" if start is None else duration_text(((end or context.now) - start).total_seconds())


def _job_status(job: JsonObject, _: Context) -> str:
    first: dict[str, JsonObject] = {}
    for each in items(job, "status", "conditions"):
        first.setdefault(text(each, "type"), each)
    for condition, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if is_true(first.get(condition)):
            return word
    if part(job, "metadata", "deletionTimestamp") is not None:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if is_true(first.get(condition)):
            return condition
    return "Running"


JOB = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    _CONTAINERS,
    _IMAGES,
    Column("Selector", _selector, wide=True),
)
_JOB_TEMPLATE = ("spec", "jobTemplate", "spec")


def _suspend(item: JsonObject, _: Context) -> str:
    suspend = part(item, "spec", "suspend")
    return UNSET if suspend is None else str(bool(suspend))


def _last_schedule(item: JsonObject, context: Context) -> str:
    last = part(item, "status", "lastScheduleTime")
    return NONE if last is None else age(last, context.now)


def _time_zone(item: JsonObject, _: Context) -> str:
    zone = part(item, "spec", "timeZone")
    return NONE if zone is None else str(zone)


CRON_JOB = (
    NAME,
    Column("Schedule", at("spec", "schedule")),
    Column("Timezone", _time_zone),
    Column("Suspend", _suspend),
    Column("Active", size_at("status", "active")),
    Column("Last Schedule", _last_schedule),
    AGE,
    Column("Containers", lambda item, _: container_names(item, *_JOB_TEMPLATE, *_TEMPLATE[1:]), wide=True),
    Column("Images", lambda item, _: container_images(item, *_JOB_TEMPLATE, *_TEMPLATE[1:]), wide=True),
    Column("Selector", lambda item, _: selector_or_none(part(item, *_JOB_TEMPLATE, "selector")), wide=True),
)


def _controller(item: JsonObject, _: Context) -> str:
    for owner in items(item, "metadata", "ownerReferences"):
        if owner.get("controller") is True:
            group = text(owner, "apiVersion").rpartition("/")[0]
            kind = text(owner, "kind").lower()
            return f"{kind}.{group}/{text(owner, 'name')}" if group else f"{kind}/{text(owner, 'name')}"
    return NONE


CONTROLLER_REVISION = (NAME, Column("Controller", _controller), Column("Revision", number_at("revision")), AGE)


def _policy(item: JsonObject, _: Context) -> str:
    return "Basic" if part(item, "spec", "schedulingPolicy", "gang") is None else "Gang"


def _workload(item: JsonObject, _: Context) -> str:
    reference = part(item, "spec", "workloadRef")
    return NONE if reference is None else text(reference, "workloadName")


def _group_status(item: JsonObject, _: Context) -> Cell:
    found = conditions(item)
    disrupted, scheduled = found.get("DisruptionTarget"), found.get("PodGroupInitiallyScheduled")
    if disrupted is not None:
        return text(disrupted, "reason")
    if scheduled is not None:
        return "Scheduled" if is_true(scheduled) else "Unschedulable"
    return "Pending"


POD_GROUP = (
    NAME,
    Column("Policy", _policy),
    Column("Workload", _workload),
    Column("Status", _group_status),
    AGE,
)
COMPOSITE_POD_GROUP = (NAME, Column("Policy", _policy), Column("Workload", _workload), AGE)
WORKLOAD = (NAME, AGE)
