"""The tables of storage: volumes, claims, classes, drivers, and the attachments between them."""

from __future__ import annotations

from collections.abc import Sequence

from backstay.kube.printing.columns import (
    AGE,
    NAME,
    UNSET,
    Column,
    Context,
    at,
    flag_at,
    items,
    part,
    size_at,
    text,
    words,
)
from backstay.kube.values import JsonObject

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def access_modes(modes: list[str]) -> str:
    """The short names of access modes, in their own order."""
    return ",".join(short for mode, short in _MODES.items() if mode in modes)


def _phase(item: JsonObject, _: Context) -> str:
    # Volumes and claims are stored without a phase at first; the API server takes them for pending.
    is_deleted = part(item, "metadata", "deletionTimestamp") is not None
    return "Terminating" if is_deleted else text(item, "status", "phase", default="Pending")


def _storage_class(item: JsonObject, _: Context) -> str:
    annotated = part(item, "metadata", "annotations", _CLASS)
    return str(annotated) if annotated is not None else text(item, "spec", "storageClassName")


def _quantity(item: JsonObject, *path: str) -> str:
    return text(item, *path, "storage", default="0")


def _claim(item: JsonObject, _: Context) -> str:
    claim = part(item, "spec", "claimRef")
    return "" if claim is None else f"{text(claim, 'namespace')}/{text(claim, 'name')}"


_ATTRIBUTES = Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET))
_VOLUME_MODE = Column("VolumeMode", at("spec", "volumeMode", default=UNSET), wide=True)

VOLUME = (
    NAME,
    Column("Capacity", lambda item, _: _quantity(item, "spec", "capacity")),
    Column("Access Modes", lambda item, _: access_modes(words(item, "spec", "accessModes"))),
    Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy")),
    Column("Status", _phase),
    Column("Claim", _claim),
    Column("StorageClass", _storage_class),
    _ATTRIBUTES,
    Column("Reason", at("status", "reason")),
    AGE,
    _VOLUME_MODE,
)


def _is_bound(item: JsonObject) -> bool:
    return bool(text(item, "spec", "volumeName"))


CLAIM = (
    NAME,
    Column("Status", _phase),
    Column("Volume", at("spec", "volumeName")),
    Column("Capacity", lambda item, _: _quantity(item, "status", "capacity") if _is_bound(item) else ""),
    Column(
        "Access Modes", lambda item, _: access_modes(words(item, "status", "accessModes")) if _is_bound(item) else ""
    ),
    Column("StorageClass", _storage_class),
    _ATTRIBUTES,
    AGE,
    _VOLUME_MODE,
)


def is_default_class(item: JsonObject) -> bool:
    """Whether a StorageClass says that it is the default."""
    return any(text(item, "metadata", "annotations", name) == "true" for name in _DEFAULTS)


def _annotated_name(item: JsonObject, _: Context) -> str:
    return text(item, "metadata", "name") + (" (default)" if is_default_class(item) else "")


STORAGE_CLASS_AS_ANNOTATED = (
    Column("Name", _annotated_name, is_name=True),
    Column("Provisioner", at("provisioner")),
    Column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
    Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
    Column("AllowVolumeExpansion", flag_at("allowVolumeExpansion")),
    AGE,
)


def storage_class(listed: Sequence[JsonObject]) -> tuple[Column, ...]:
    """The columns of a list of StorageClasses: of several defaults the newest counts, of those the first by name."""
    defaults = sorted(
        (each for each in listed if is_default_class(each)), key=lambda each: text(each, "metadata", "name")
    )
    effective = max(defaults, key=lambda each: text(each, "metadata", "creationTimestamp"), default=None)

    def name(item: JsonObject, _: Context) -> str:
        return text(item, "metadata", "name") + (" (default)" if item is effective else "")

    return (Column("Name", name, is_name=True), *STORAGE_CLASS_AS_ANNOTATED[1:])


VOLUME_ATTRIBUTES_CLASS = (NAME, Column("DriverName", at("driverName")), AGE)
VOLUME_ATTACHMENT = (
    NAME,
    # The API server's table marks this column as a name too, so it gets the kind as well.
    Column("Attacher", at("spec", "attacher"), is_name=True),
    Column("PV", at("spec", "source", "persistentVolumeName")),
    Column("Node", at("spec", "nodeName")),
    Column("Attached", flag_at("status", "attached")),
    AGE,
)


def _token_requests(item: JsonObject, _: Context) -> str:
    if part(item, "spec", "tokenRequests") is None:
        return UNSET
    return ",".join(text(each, "audience") for each in items(item, "spec", "tokenRequests"))


CSI_DRIVER = (
    NAME,
    Column("AttachRequired", flag_at("spec", "attachRequired", default=True)),
    Column("PodInfoOnMount", flag_at("spec", "podInfoOnMount")),
    Column("StorageCapacity", flag_at("spec", "storageCapacity")),
    Column("TokenRequests", _token_requests),
    Column("RequiresRepublish", flag_at("spec", "requiresRepublish")),
    Column("Modes", lambda item, _: ",".join(words(item, "spec", "volumeLifecycleModes")) or "Persistent"),
    AGE,
)
CSI_NODE = (NAME, Column("Drivers", size_at("spec", "drivers")), AGE)
