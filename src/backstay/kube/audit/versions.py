"""Stored API versions: which of them another release cannot read, or reads and no longer serves.

An object keeps the version that it was written in until it is written again. While the type is compiled in, any release reads
it; where it is not, LIST of the whole resource fails in every namespace. Types come from the table of Kubernetes' releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstay.findings import Finding, Severity, declare
from backstay.kube.audit.encryption import rewrite_command
from backstay.kube.audit.tally import Tallies
from backstay.kube.exporting.reading import mapping, mappings, text
from backstay.kube.release import Release
from backstay.kube.schema import message_name, shipped_table
from backstay.kube.values import Encoding, JsonObject, KubernetesObject

UNREADABLE = declare(
    "kube-version-unreadable",
    Severity.ERROR,
    "The target release cannot read objects that are stored in this API version: lists of the resource fail on it.",
    "write them again on the present release, before the upgrade",
)
NOT_SERVED = declare(
    "kube-version-not-served",
    Severity.WARNING,
    "The target release reads this API version and serves it no more: manifests and clients that use it fail.",
    "write them again, and change what asks for the old version",
)
DEFINITION = declare(
    "kube-definition-versions",
    Severity.ERROR,
    "Custom objects are stored in a version that their CustomResourceDefinition does not have: they cannot be read.",
    "put the version back into the definition, write the objects again, then take it out",
)
STORED_VERSIONS = declare(
    "kube-stored-versions",
    Severity.WARNING,
    "A CustomResourceDefinition keeps older storage versions in its status: those may not be taken out of it.",
    "write the objects again, then take the version out of status.storedVersions",
)

_REMOVED: dict[Release, str] = {
    Release(1, 16): "apps/v1beta1 apps/v1beta2 extensions/v1beta1:Deployment extensions/v1beta1:DaemonSet "
    "extensions/v1beta1:ReplicaSet extensions/v1beta1:NetworkPolicy",
    Release(1, 22): "admissionregistration.k8s.io/v1beta1:ValidatingWebhookConfiguration "
    "admissionregistration.k8s.io/v1beta1:MutatingWebhookConfiguration apiregistration.k8s.io/v1beta1 "
    "certificates.k8s.io/v1beta1:CertificateSigningRequest coordination.k8s.io/v1beta1:Lease networking.k8s.io/v1beta1:Ingress "
    "networking.k8s.io/v1beta1:IngressClass extensions/v1beta1:Ingress rbac.authorization.k8s.io/v1beta1 "
    "rbac.authorization.k8s.io/v1alpha1 scheduling.k8s.io/v1beta1:PriorityClass storage.k8s.io/v1beta1:CSIDriver "
    "storage.k8s.io/v1beta1:CSINode storage.k8s.io/v1beta1:StorageClass storage.k8s.io/v1beta1:VolumeAttachment",
    Release(
        1, 25
    ): "autoscaling/v2beta1 batch/v1beta1 discovery.k8s.io/v1beta1 events.k8s.io/v1beta1 node.k8s.io/v1beta1 "
    "policy/v1beta1",
    Release(1, 26): "autoscaling/v2beta2 flowcontrol.apiserver.k8s.io/v1beta1",
    Release(1, 27): "storage.k8s.io/v1beta1:CSIStorageCapacity",
    Release(1, 29): "flowcontrol.apiserver.k8s.io/v1beta2",
    Release(1, 32): "flowcontrol.apiserver.k8s.io/v1beta3",
    Release(1, 34): "admissionregistration.k8s.io/v1beta1:ValidatingAdmissionPolicy "
    "admissionregistration.k8s.io/v1beta1:ValidatingAdmissionPolicyBinding",
    Release(1, 37): "networking.k8s.io/v1beta1:IPAddress networking.k8s.io/v1beta1:ServiceCIDR "
    "storage.k8s.io/v1beta1:VolumeAttributesClass",
    Release(1, 38): "resource.k8s.io/v1beta1",
    Release(1, 39): "resource.k8s.io/v1beta2 coordination.k8s.io/v1beta1:LeaseCandidate",
    Release(1, 40): "admissionregistration.k8s.io/v1beta1:MutatingAdmissionPolicy "
    "admissionregistration.k8s.io/v1beta1:MutatingAdmissionPolicyBinding storagemigration.k8s.io/v1beta1",
}
"""From which release on an API version, or one kind of it, is served no more."""

_STORED_AS_BEFORE = frozenset({"customresourcedefinitions"})
"""Stored as v1beta1 by every release, and read by every release."""

_OURS = re.compile(r"|[a-z]+|(?:[a-z]+\.)*k8s\.io")


class Versions:
    """Judges stored versions by what `target` reads and serves."""

    def __init__(self, target: Release) -> None:
        self._target = target
        self._removed: dict[str, Release] = {
            word: release for release, words in _REMOVED.items() for word in words.split() if release <= target
        }
        self._unreadable, self._unserved = Tallies(), Tallies()
        self._defined: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        self._custom: dict[tuple[str, str, str], int] = {}

    def see(self, each: KubernetesObject) -> None:
        """Look at an object as it is stored."""
        identity, stored = each.identity, each.stored_api_version
        if not stored or each.encoding in (Encoding.TEXT, Encoding.BINARY):
            return
        if identity.resource in _STORED_AS_BEFORE:
            self._define(each.json or {})
            return
        group, _, version = stored.rpartition("/")
        if not _OURS.fullmatch(group):
            if identity.group == group and identity.resource:
                key = group, identity.resource, version
                self._custom[key] = self._custom.get(key, 0) + 1
            return
        kind = identity.kind
        name = f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
        if self._cannot_be_read(stored, kind):
            self._unreadable.add(f"{identity.group_resource} as {stored}", name)
        elif stored in self._removed or f"{stored}:{kind}" in self._removed:
            self._unserved.add(f"{identity.group_resource} as {stored}", name)

    def findings(self) -> Iterator[Finding]:
        for findings, kind, what in (
            (self._unreadable, UNREADABLE, "cannot be read by"),
            (self._unserved, NOT_SERVED, "is not served by"),
        ):
            for subject, tally in findings.by_subject.items():
                resource = subject.partition(" ")[0]
                yield kind.at(
                    subject,
                    f"{tally.count} {what} {self._target}: {tally}",
                    remedy=f"{kind.remedy}: {rewrite_command(resource)}",
                )
        for (group, resource, version), count in self._custom.items():
            known = self._defined.get((group, resource))
            if known is not None and version not in known[0]:
                yield DEFINITION.at(
                    f"{resource}.{group}", f"{count} are stored as {version}; it has {', '.join(sorted(known[0]))}"
                )
        for (group, resource), (versions, stored) in self._defined.items():
            older = stored - versions or (stored if len(stored) > 1 else set())
            if older:
                yield STORED_VERSIONS.at(f"{resource}.{group}", f"status.storedVersions: {', '.join(sorted(stored))}")

    def _cannot_be_read(self, stored: str, kind: str) -> bool:
        message = shipped_table().find(message_name(stored, kind))
        if message is None:
            return False  # nothing is known of it; the decoder says so
        return message.until is not None and message.until < self._target

    def _define(self, definition: JsonObject) -> None:
        spec = mapping(definition, "spec")
        group, plural = text(spec, "group"), text(spec, "names", "plural")
        versions = {text(each, "name") for each in mappings(spec, "versions")}
        stored = mapping(definition, "status").get("storedVersions")
        kept = {each for each in stored if isinstance(each, str)} if isinstance(stored, list) else set()
        self._defined[group, plural] = versions, kept
