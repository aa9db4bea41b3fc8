"""`backstay.json`: what a repository is. Signed by its root key, written once, readable by everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from backstay import errors
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.repository import names
from backstay.repository.fields import head_of, open_document, time_text


class Encryption(Enum):
    """Whether objects are sealed."""

    SEALED = "sealed"
    PLAINTEXT = "plaintext"


@dataclass(frozen=True, slots=True)
class Description:
    """`root`: the public keys that may sign this and trust documents, in hex."""

    repository: str
    created: datetime
    encryption: Encryption
    single_writer: bool
    root: tuple[str, ...]


def encode_description(description: Description, root: SigningKey) -> bytes:
    """The document, signed by the root key."""
    return sign_document(
        head_of("repository", description.repository)
        | {
            "created": time_text(description.created),
            "encryption": description.encryption.value,
            "features": [],
            "single_writer": description.single_writer,
            "root": list(description.root),
        },
        root,
    )


def decode_description(data: bytes) -> Description:
    """The description in `data`. Raises `OBJECT_DAMAGED`, `SIGNATURE_WRONG`, `REPOSITORY_NEWER`.

    It is signed by a key that it names itself: who wants to know whether it is the right repository compares the root.
    """
    where = names.DESCRIPTION
    document = read_document(data, where)
    fields = open_document(document.fields, "repository", where)
    features = fields.texts("features")
    if features:
        raise errors.REPOSITORY_NEWER.error(
            "cannot read the repository", where=where, why=f"it needs the feature {features[0][:60]!r}"
        )
    description = Description(
        fields.text("repository", names.REPOSITORY),
        fields.time("created"),
        Encryption(fields.text("encryption", "sealed|plaintext")),
        fields.flag("single_writer"),
        fields.texts("root", names.SHA256),
    )
    fields.finish()
    if document.key not in description.root:
        raise errors.SIGNATURE_WRONG.error("the repository's description is not signed by its root", where=where)
    return description
