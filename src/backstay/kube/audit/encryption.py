"""Encryption at rest: what is stored plain, what should not be, and what the API server cannot read any more.

    plain        no `k8s:enc:` in front of a Secret, or of anything that the configuration has encrypted
    stale        written by another provider or key than the one that writes now: that key may not be dropped yet
    unreadable   the configuration has no key for it: a LIST of the resource fails

Old revisions count: they are in every copy of the file until compaction and defragmentation remove them. Pages that are free
may hold more, which no reader sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstay.findings import Finding, Severity, declare
from backstay.kube.audit.tally import Tallies
from backstay.kube.encryption import Decryption
from backstay.kube.envelope import ENCRYPTED_MAGIC
from backstay.kube.values import Identity, KubernetesObject

PLAIN = declare(
    "kube-secret-plain",
    Severity.ERROR,
    "Secrets are stored as they are: whoever has the file, a backup of it or a disk has every password in it.",
    "encrypt at rest: `backstay kube audit SOURCE --remedy encryption.yaml` writes a configuration and the steps",
)
NOT_REWRITTEN = declare(
    "kube-not-encrypted",
    Severity.ERROR,
    "The configuration has this resource encrypted, and objects of it are plain: they were written before it was, and never since.",
    "write them again: kubectl get RESOURCE -A -o json | kubectl replace -f -",
)
PLAIN_PAST = declare(
    "kube-plain-past",
    Severity.WARNING,
    "Older revisions, or objects that are deleted, are in the file as they were: plain.",
    "compact and defragment every member, and let go of backups from before",
)
STALE = declare(
    "kube-stale-key",
    Severity.WARNING,
    "Objects are encrypted with another key or provider than the one that writes now.",
    "write them again before the old key is taken out of the configuration",
)
UNREADABLE = declare(
    "kube-unreadable",
    Severity.ERROR,
    "No key of the configuration opens these objects: the API server can list none of this resource while they are there.",
    "put the key that they name back into the configuration, behind the one that writes",
)
IDENTITY_FIRST = declare(
    "kube-identity-first",
    Severity.ERROR,
    "The configuration names a resource, and its first provider is `identity`: everything new is stored plain.",
    "put a provider that encrypts first, and `identity` last",
)
SENSITIVE = declare(
    "kube-sensitive-plain",
    Severity.WARNING,
    "Objects that are no Secrets hold private keys or tokens of access, plain.",
    "move them into Secrets, or add the resource to the configuration",
)

_SECRETS = "secrets"
_SENSITIVE = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----|\bclient-key-data: |\bkind: Config\b[\s\S]{1,4000}\btoken: "
)
_SENSITIVE_KINDS = frozenset({"configmaps", "oauthaccesstokens", "oauthauthorizetokens"})
_IDENTITY = "identity"


class Encryption:
    """Judges how every value is stored. `decryption` is the configuration, None where none was given."""

    def __init__(self, decryption: Decryption | None) -> None:
        self._decryption = decryption
        self._writers: dict[str, tuple[str, ...]] = {}
        self._newest: dict[bytes, int] = {}
        self._totals: dict[str, int] = {}
        self._plain, self._unwritten, self._stale = Tallies(), Tallies(), Tallies()
        self._unreadable, self._sensitive, self._past = Tallies(), Tallies(), Tallies()

    def see(self, each: KubernetesObject) -> None:
        """Look at an object as it is now."""
        resource, name = each.identity.group_resource, _name(each.identity)
        writers = self._writing(resource)
        if resource == _SECRETS or writers:
            self._newest[each.key] = int(each.mod_revision)
            self._totals[resource] = self._totals.get(resource, 0) + 1
        if not each.encrypted:
            if writers and writers[0] != _IDENTITY:
                self._unwritten.add(resource, name)
            elif resource == _SECRETS:
                self._plain.add(resource, name)
            elif each.identity.resource in _SENSITIVE_KINDS and _is_sensitive(each):
                self._sensitive.add(resource, name)
        elif _stays_closed(each, writers):
            self._unreadable.add(f"{resource} ({each.encrypted})", name)
        elif self._decryption is not None and not _is_written_by(writers, each.encrypted):
            self._stale.add(f"{resource} ({each.encrypted})", name)

    def wants_past(self, resource: str) -> bool:
        """Whether older revisions of a resource are looked at."""
        return resource == _SECRETS or bool(self._writing(resource))

    def is_present(self, key: bytes, revision: int) -> bool:
        """Whether this is the revision that `see` was given."""
        return self._newest.get(key) == revision

    def see_past(self, identity: Identity, key: bytes, revision: int, value: bytes) -> None:
        """Look at a stored revision; that of `see` is passed over."""
        if value and not value.startswith(ENCRYPTED_MAGIC) and not self.is_present(key, revision):
            resource = identity.group_resource
            writers = self._writing(resource)
            if resource == _SECRETS or (writers and writers[0] != _IDENTITY):
                self._past.add(resource, f"{_name(identity)} at revision {revision}")

    def findings(self) -> Iterator[Finding]:
        for resource, tally in self._plain.by_subject.items():
            yield PLAIN.at(resource, f"{tally.count} of {self._totals[resource]} are plain: {tally}")
        for resource, tally in self._unwritten.by_subject.items():
            yield NOT_REWRITTEN.at(
                resource,
                f"{tally.count} of {self._totals[resource]} are plain: {tally}",
                remedy=f"write them again: {rewrite_command(resource)}",
            )
        for subject, tally in self._unreadable.by_subject.items():
            yield UNREADABLE.at(subject, f"{tally.count}: {tally}")
        for subject, tally in self._stale.by_subject.items():
            yield STALE.at(subject, f"{tally.count}: {tally}")
        for resource, writers in sorted(self._writers.items()):
            if writers and writers[0] == _IDENTITY and len(writers) > 1:
                yield IDENTITY_FIRST.at(resource, f"its providers are {', '.join(writers)}")
        for resource, tally in self._past.by_subject.items():
            yield PLAIN_PAST.at(resource, f"{tally.count} older revisions: {tally}")
        for resource, tally in self._sensitive.by_subject.items():
            yield SENSITIVE.at(resource, f"{tally.count}: {tally}")

    def _writing(self, resource: str) -> tuple[str, ...]:
        """What the values of a resource begin with when they are written now, then what may be read; empty: plain."""
        if resource not in self._writers:
            providers = self._decryption.providers(resource) if self._decryption is not None else ()
            self._writers[resource] = tuple(name for provider in providers for name in provider.names)
        return self._writers[resource]


def rewrite_command(resource: str) -> str:
    """The command that has the API server write every object of a resource again."""
    return f"kubectl get {resource} --all-namespaces -o json | kubectl replace -f -"


def _stays_closed(each: KubernetesObject, writers: tuple[str, ...]) -> bool:
    """Whether the API server cannot open it; a key that only a plugin has is the API server's business."""
    code = each.problem.code if each.problem is not None else ""
    return code == "decryption-failed" or (code == "key-missing" and each.encrypted not in writers)


def _is_written_by(writers: tuple[str, ...], label: str) -> bool:
    """Whether the first provider wrote the value. One of KMS rotates its keys by itself."""
    return bool(writers) and writers[0] == label


def _is_sensitive(each: KubernetesObject) -> bool:
    json = each.json
    data = json.get("data") if json is not None else None
    if not isinstance(data, dict):
        return False
    return any(isinstance(text, str) and _SENSITIVE.search(text.encode("utf-8", "replace")) for text in data.values())


def _name(identity: Identity) -> str:
    return f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
