"""CustomResourceDefinitions: as the API server prints them, and the resources that they add.

A server of any release up to 1.37 stores them as v1beta1 JSON, because identical schemas of several versions collapse there,
and prints v1. Top-level and per-version forms exclude each other, each part on its own.

    stored v1beta1                                          printed v1
    spec.validation                                         spec.versions[*].schema
    spec.subresources, additionalPrinterColumns, ...        the same in every version
    spec.additionalPrinterColumns[].JSONPath                jsonPath
    spec.conversion.webhookClientConfig                     spec.conversion.webhook.clientConfig
    spec.preserveUnknownFields absent                       true; false is not printed
    spec.version                                            not printed; the only version where spec.versions is empty
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

from backstay.kube.resources import Resource
from backstay.kube.values import JsonObject

GROUP = "apiextensions.k8s.io"
KIND = "CustomResourceDefinition"
V1 = f"{GROUP}/v1"
V1BETA1 = f"{GROUP}/v1beta1"

_PER_VERSION = ("subresources", "selectableFields")


def is_v1beta1(value: JsonObject) -> bool:
    """Whether `value` is a CRD in the form in which it is stored."""
    return value.get("apiVersion") == V1BETA1 and value.get("kind") == KIND


def as_v1(value: JsonObject) -> JsonObject:
    """A stored CRD as v1. What has another shape than a CRD's stays as it is: nothing is raised for a CRD that lies."""
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return {**value, "apiVersion": V1}
    spec = dict(spec)
    version = spec.pop("version", None)
    versions = spec.get("versions")
    if not versions and version:
        versions = [{"name": version, "served": True, "storage": True}]
    validation = spec.pop("validation", None)
    columns = spec.pop("additionalPrinterColumns", None)
    shared = {name: spec.pop(name) for name in _PER_VERSION if name in spec}
    if isinstance(versions, list):
        spec["versions"] = [_version(each, validation, columns, shared) for each in versions]
    if isinstance(spec.get("conversion"), dict):
        spec["conversion"] = _conversion(spec["conversion"])
    if spec.get("preserveUnknownFields", True) is False:
        spec.pop("preserveUnknownFields")
    else:
        spec["preserveUnknownFields"] = True
    return {**value, "apiVersion": V1, "spec": spec}


def _version(value: Any, validation: Any, columns: Any, shared: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    version = dict(value)
    if validation is not None:
        version.setdefault("schema", validation)
    if columns is not None:
        version.setdefault("additionalPrinterColumns", columns)
    for name, part in shared.items():
        version.setdefault(name, part)
    if isinstance(version.get("additionalPrinterColumns"), list):
        version["additionalPrinterColumns"] = [_column(each) for each in version["additionalPrinterColumns"]]
    return version


def _column(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {"jsonPath" if name == "JSONPath" else name: each for name, each in value.items()}


def _conversion(value: JsonObject) -> JsonObject:
    conversion = dict(value)
    client = conversion.pop("webhookClientConfig", None)
    versions = conversion.pop("conversionReviewVersions", None)
    if client is not None or (versions is not None and conversion.get("strategy") == "Webhook"):
        webhook: JsonObject = {}
        if client is not None:
            webhook["clientConfig"] = client
        webhook["conversionReviewVersions"] = versions
        conversion["webhook"] = webhook
    return conversion


def resources_of(definitions: Iterable[JsonObject]) -> Iterator[Resource]:
    """The resource that each CRD (stored or printed form) adds; those that name none are left out."""
    for definition in definitions:
        spec = definition.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if not isinstance(spec, dict) or not isinstance(names, dict):
            continue
        group, plural, kind = spec.get("group"), names.get("plural"), names.get("kind")
        if not (_is_name(group) and "." in group and _is_name(plural) and isinstance(kind, str)):
            continue  # a group has a dot, or its place could be that of something built in
        singular = names.get("singular")
        yield Resource(
            group,
            plural,
            kind,
            spec.get("scope") != "Cluster",
            f"{group}/{plural}",
            _texts(names.get("shortNames")),
            singular if isinstance(singular, str) and singular else kind.lower(),
            is_custom=True,
            categories=_texts(names.get("categories")),
        )


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value) and "/" not in value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
