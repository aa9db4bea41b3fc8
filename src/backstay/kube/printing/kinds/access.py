"""The tables of who may do what (RBAC), of certificates, and of what the API server asks before it accepts an object."""

from __future__ import annotations

from typing import Any

from backstay.kube.printing.ages import duration_text
from backstay.kube.printing.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Column,
    Context,
    at,
    items,
    labels_text,
    part,
    size_at,
    text,
    words,
)
from backstay.kube.values import JsonObject


def _role(item: JsonObject, _: Context) -> str:
    return f"{text(item, 'roleRef', 'kind')}/{text(item, 'roleRef', 'name')}"


def _subjects(kind: str, item: JsonObject) -> str:
    found = [each for each in items(item, "subjects") if each.get("kind") == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{text(each, 'namespace')}/{text(each, 'name')}" for each in found)
    return ", ".join(text(each, "name") for each in found)


BINDING = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", lambda item, _: _subjects("User", item), wide=True),
    Column("Groups", lambda item, _: _subjects("Group", item), wide=True),
    Column("ServiceAccounts", lambda item, _: _subjects("ServiceAccount", item), wide=True),
)


def _requested(item: JsonObject, _: Context) -> str:
    seconds = part(item, "spec", "expirationSeconds")
    return duration_text(seconds) if isinstance(seconds, int) else NONE


def _signing_state(item: JsonObject, _: Context) -> str:
    types = {text(each, "type") for each in items(item, "status", "conditions")}
    state = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    failed = ",Failed" if "Failed" in types else ""
    return f"{state}{failed}{',Issued' if text(item, 'status', 'certificate') else ''}"


_SIGNER = Column("SignerName", at("spec", "signerName", default=NONE))
SIGNING_REQUEST = (
    NAME,
    AGE,
    _SIGNER,
    Column("Requestor", at("spec", "username")),
    Column("RequestedDuration", _requested),
    Column("Condition", _signing_state),
)
TRUST_BUNDLE = (NAME, _SIGNER)


def _pod_certificate_state(item: JsonObject, _: Context) -> str:
    state = "Pending"
    for each in items(item, "status", "conditions"):
        if each.get("type") in ("Issued", "Denied", "Failed"):
            state = text(each, "type")
    return state


POD_CERTIFICATE_REQUEST = (
    NAME,
    Column("PodName", at("spec", "podName")),
    Column("ServiceAccountName", at("spec", "serviceAccountName")),
    Column("NodeName", at("spec", "nodeName")),
    Column("SignerName", at("spec", "signerName")),
    Column("State", _pod_certificate_state),
    Column("UnverifiedUserAnnotations", lambda item, _: labels_text(part(item, "spec", "unverifiedUserAnnotations"))),
)
WEBHOOKS = (NAME, Column("Webhooks", size_at("webhooks")), AGE)


def _param_kind(item: JsonObject, _: Context) -> str:
    kind = part(item, "spec", "paramKind")
    return UNSET if kind is None else f"{text(kind, 'apiVersion')}/{text(kind, 'kind')}"


def _param(item: JsonObject, _: Context) -> str:
    reference = part(item, "spec", "paramRef")
    if not isinstance(reference, dict):
        return UNSET
    if text(reference, "name"):
        return f"{text(reference, 'namespace', default='*')}/{text(reference, 'name')}"
    return UNSET if reference.get("selector") is None else _go_selector(reference["selector"])


def _go_selector(selector: Any) -> str:
    """A label selector as Go prints the structure itself, which is what the API server does here."""
    labels, expressions = part(selector, "matchLabels"), items(selector, "matchExpressions")
    pairs = "".join(f"{name}: {labels[name]}," for name in sorted(labels)) if isinstance(labels, dict) else ""
    requirements = "".join(
        f"LabelSelectorRequirement{{Key:{text(each, 'key')},Operator:{text(each, 'operator')},"
        f"Values:[{' '.join(words(each, 'values'))}],}},"
        for each in expressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{requirements}}},}}"
    )


_PARAM_KIND = Column("ParamKind", _param_kind)
VALIDATING_POLICY = (NAME, Column("Validations", size_at("spec", "validations")), _PARAM_KIND, AGE)
MUTATING_POLICY = (NAME, Column("Mutations", size_at("spec", "mutations")), _PARAM_KIND, AGE)
POLICY_BINDING = (NAME, Column("PolicyName", at("spec", "policyName")), Column("ParamRef", _param), AGE)
