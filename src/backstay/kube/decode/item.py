"""One key with its value, as an object: named by its key, opened by its encryption, decoded by its type.

    ObjectDecoder(layout, release, decryption).decode(item) -> KubernetesObject

The key says what the object is called, the value which version and kind it has. The API server shows the revision of the
last write as `metadata.resourceVersion`, which is not stored, and so does this.
"""

from __future__ import annotations

from backstay.formats.mvcc import KeyValue
from backstay.kube.decode.plan import Plans
from backstay.kube.decode.value import Decoded, ValueDecoder
from backstay.kube.encryption import Decryption, label_of
from backstay.kube.envelope import ENCRYPTED_MAGIC
from backstay.kube.keys import Layout
from backstay.kube.release import Release
from backstay.kube.schema import shipped_table
from backstay.kube.values import Encoding, Identity, KubernetesObject, Problem
from backstay.values import LeaseId, Revision

_NO_NAME = Identity("", "", "", "", "", "")


class ObjectDecoder:
    """Decodes what a cluster has stored. `decryption` is None where no configuration with keys was given."""

    def __init__(self, layout: Layout, release: Release, decryption: Decryption | None = None) -> None:
        self.layout = layout
        self._decryption = decryption
        self._values = ValueDecoder(Plans(shipped_table(), release))

    def decode(self, item: KeyValue) -> KubernetesObject:
        """The object in `item`. Raises nothing: what is wrong with it is its `problem`."""
        identity = self.layout.identify(item.key)
        value, encrypted = item.value, ""
        decoded: Decoded | None = None
        if value.startswith(ENCRYPTED_MAGIC):
            encrypted = label_of(value)
            opened = self._open(item, identity)
            if isinstance(opened, Problem):
                decoded = Decoded(Encoding.BINARY, "", "", None, opened, (), "")
            else:
                value = opened
        if decoded is None:
            decoded = self._values.decode(value)
        json = decoded.json
        if json is not None:
            metadata = json.get("metadata")
            if isinstance(metadata, dict):
                metadata["resourceVersion"] = str(item.mod_revision)
        return KubernetesObject(
            item.key,
            _named(identity, decoded),
            Revision(item.create_revision),
            Revision(item.mod_revision),
            item.version,
            LeaseId(item.lease),
            len(item.value),
            decoded.encoding,
            encrypted,
            json,
            decoded.problem,
            decoded.notes,
            decoded.text,
            decoded.api_version,
        )

    def _open(self, item: KeyValue, identity: Identity | None) -> bytes | Problem:
        if self._decryption is None:
            return Problem("encrypted", label_of(item.value))
        return self._decryption.open(item.key, (identity or _NO_NAME).group_resource, item.value)


def _named(identity: Identity | None, decoded: Decoded) -> Identity:
    """The name from the key, with version and kind as the value has them."""
    group, slash, version = decoded.api_version.rpartition("/")
    if not slash:
        version = decoded.api_version
    known = identity or _NO_NAME
    return Identity(
        known.group or (group if identity is None else ""), version, known.resource, decoded.kind or known.kind,
        known.namespace, known.name,
    )  # fmt: skip
