"""The values in which everybody speaks of Kubernetes objects: what an object is called, and what was read of it.

Objects themselves are plain JSON values, as the API server prints them, everywhere above the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from backstay.values import LeaseId, Revision

JsonObject = dict[str, Any]
"""A JSON object as `json.loads` gives it: integers are exact, times and quantities are text, bytes are base64."""


class Identity(NamedTuple):
    """What an object is called. Texts are empty where there is nothing to say: core group, cluster scope, unknown kind.

    `resource` is the plural that URLs use (`pods`, `nodes`); `version` is that of the stored value, and empty where only
    the key was looked at.
    """

    group: str
    version: str
    resource: str
    kind: str
    namespace: str
    name: str

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`; empty where the version is not known."""
        return f"{self.group}/{self.version}" if self.group and self.version else self.version

    @property
    def group_resource(self) -> str:
        """`pods`, `deployments.apps`: as an EncryptionConfiguration and RBAC write it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.group_resource} {name}"


class Encoding(Enum):
    """In what form an object is stored, once it is decrypted."""

    PROTOBUF = "protobuf"
    JSON = "json"
    CBOR = "cbor"
    YAML = "yaml"
    TEXT = "text"
    """Printable, and no object: `compact_rev_key`, a distribution's own keys."""
    BINARY = "binary"
    """Nothing that is known here; also a value that could not be decrypted."""


class Problem(NamedTuple):
    """Why an object is not shown as the API server would show it. `code` is stable: one of `PROBLEMS`."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


PROBLEMS: dict[str, str] = {
    "encrypted": "encrypted at rest, and no configuration with keys was given",
    "key-missing": "encrypted with a key or provider that the given configuration does not have",
    "decryption-failed": "the key that the value names does not open it",
    "plugin-failed": "the key-management plugin did not unwrap the key",
    "unknown-type": "a type that the table of Kubernetes' types does not have; its fields are shown by number",
    "damaged": "the stored bytes are not what their encoding promises; what could be read is shown",
    "no-object": "the value is no Kubernetes object",
}
"""Every code that a `Problem` may have, with its meaning."""

UNDECODED = "$fields"
"""The name under which the fields of an unknown or damaged message stand, by number."""


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """One stored value, decoded. `json` is what the API server would print, with `metadata.resourceVersion` set.

    `json` is None where the value is no object or could not be decrypted. Where it is a partial or generic view,
    `problem` says so; `notes` name fields that a newer release wrote and text that is not UTF-8.
    """

    key: bytes
    identity: Identity
    create_revision: Revision
    mod_revision: Revision
    version: int
    """How often the key was written since it was created."""
    lease: LeaseId
    size: int
    """Bytes of the value as it is stored."""
    encoding: Encoding
    encrypted: str
    """Provider and key that encrypted it, as in `k8s:enc:aescbc:v1:key1`; empty when it is stored plain."""
    json: JsonObject | None
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    text: str = ""
    """The value where its encoding is `TEXT`."""
    stored_api_version: str = ""
    """The apiVersion of the stored form: `json` may have a newer one (CRDs), `identity` has the group of the key."""


class Head(NamedTuple):
    """An object of which only the key was read: `identity.version` is empty, and so is an unknown kind."""

    key: bytes
    identity: Identity
    create_revision: Revision
    mod_revision: Revision
    version: int
    lease: LeaseId
    size: int | None
