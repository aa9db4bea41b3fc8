"""All checks over one store: they see every object once, and then tell what they found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backstay.findings import Finding
from backstay.kube.audit.certificates import Certificates
from backstay.kube.audit.encryption import Encryption
from backstay.kube.audit.kms_keys import KmsKeys
from backstay.kube.audit.places import Places
from backstay.kube.audit.relations import Relations
from backstay.kube.audit.versions import Versions
from backstay.kube.encryption import Decryption
from backstay.kube.release import Release
from backstay.kube.values import Identity, KubernetesObject


@dataclass(frozen=True, slots=True)
class Terms:
    """What is judged by. `target` is the release that shall read the data."""

    now: datetime
    target: Release
    decryption: Decryption | None = None


class Audit:
    """The checks and what they have seen so far."""

    def __init__(self, terms: Terms) -> None:
        self._encryption = Encryption(terms.decryption)
        self._kms_keys = KmsKeys()
        self._checks = (
            self._encryption,
            Versions(terms.target),
            Relations(terms.now),
            Places(),
            Certificates(terms.now),
        )

    def see(self, each: KubernetesObject) -> None:
        """Look at an object of the newest revision."""
        for check in self._checks:
            check.see(each)

    def wants_past(self, resource: str) -> bool:
        """Whether older revisions of a resource are to be shown too."""
        return self._encryption.wants_past(resource)

    def see_past(self, identity: Identity, key: bytes, revision: int, value: bytes) -> None:
        """Look at any stored revision, after all of `see`."""
        self._encryption.see_past(identity, key, revision, value)
        if self._encryption.is_present(key, revision):
            self._kms_keys.see_value(identity, revision, value)

    def findings(self) -> list[Finding]:
        """Everything that was found, check by check."""
        return [finding for check in (*self._checks, self._kms_keys) for finding in check.findings()]
