"""Keys of a key-management service: which objects still need one that the service does not write with any more.

A value of KMS v2 names its key in plain, so this is told without the service. The key of the newest revision is the present
one; all others have to stay in the service until what they encrypted is written again.
"""

from __future__ import annotations

from collections.abc import Iterator

from backstay.errors import FormatError
from backstay.findings import Finding, Severity, declare
from backstay.kube.audit.tally import Tallies
from backstay.kube.encryption import label_of
from backstay.kube.encryption.kms import read_encrypted_object
from backstay.kube.values import Identity

OLD_KEY = declare(
    "kube-old-kms-key",
    Severity.WARNING,
    "Objects are encrypted with an older key of the key-management service than the newest ones are.",
    "write them again before that key is destroyed: kubectl get RESOURCE -A -o json | kubectl replace -f -",
)

_PREFIX = b"k8s:enc:kms:v2:"


class KmsKeys:
    """Takes note of the key of every value of KMS v2 as it is now."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, str]] = {}
        self._objects: dict[tuple[str, str], Tallies] = {}

    def see_value(self, identity: Identity, revision: int, value: bytes) -> None:
        """Look at a stored value of the present."""
        if not value.startswith(_PREFIX):
            return
        label = label_of(value)
        try:
            key_id = read_encrypted_object(value[len(label) + 1 :]).wrapped.key_id
        except FormatError:
            return  # whoever opens it says so
        self._newest[label] = max(self._newest.get(label, (0, "")), (revision, key_id))
        name = f"{identity.namespace}/{identity.name}" if identity.namespace else identity.name
        self._objects.setdefault((label, key_id), Tallies()).add(identity.group_resource, name)

    def findings(self) -> Iterator[Finding]:
        for (label, key_id), tallies in self._objects.items():
            newest = self._newest[label][1]
            if key_id != newest:
                for resource, tally in tallies.by_subject.items():
                    yield OLD_KEY.at(
                        f"{resource} ({label})", f"{tally.count} need key {key_id!r}, the newest is {newest!r}: {tally}"
                    )
