"""Companions: the files that a restore needs beside etcd's data, as one run of a point (docs/formats/repository.md, 5).

    bucket `about`      key empty: {"layouts": [...], "recipients": [...]}
    bucket `content`    key path: the file's bytes; where `recipients` is not empty, an age file of them
    bucket `listing`    key path: {"group", "kind", "link", "mode", "owner", "sha256", "size", "uid", "gid"}

They are elements like those of class `entries`, so whoever opens the point sees what there is: names, modes, sizes. Contents are
for `recipients` alone, where there are any: so the PKI of a cluster can be kept from those who restore its data. Paths are those
of the host. What is read here is hostile until a path, a size and a hash are what they must be; nothing is written here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backstay import errors
from backstay.crypto.recipients import AgeRecipients, read_recipients
from backstay.crypto.sealing import ObjectClass, damaged
from backstay.crypto.signing import parse_object
from backstay.crypto.slots import AgeIdentity
from backstay.repository.fields import Fields
from backstay.repository.manifest import RunReference
from backstay.repository.reading import PointReader
from backstay.repository.records import Entry

LARGEST_FILE = 16 << 20
"""Bytes of one companion: what is larger is no certificate, manifest or token."""

ABOUT, CONTENT, LISTING = b"about", b"content", b"listing"
_PATH = re.compile(r"(/[^/\0]+)+")
_NAME = r"[^\x00-\x1f\x7f/]{0,64}"
_HASH = "[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Companion:
    """One file as it is listed. `link` is where a symbolic link leads, empty for a file; `kind` says what it is for."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    owner: str
    group: str
    size: int
    sha256: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class CompanionFile:
    """One file with its content."""

    listed: Companion
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CompanionSet:
    """The companions of a point: what layouts they were found by, to whom their contents are sealed, and the files by path."""

    layouts: tuple[str, ...]
    recipients: tuple[str, ...]
    files: tuple[CompanionFile, ...]

    @property
    def digest(self) -> str:
        """What changes when anything of it does."""
        digest = hashlib.sha256(json.dumps([self.layouts, self.recipients]).encode())
        for file in self.files:
            digest.update(_listing(file.listed) + file.listed.path.encode())
        return digest.hexdigest()

    def entries(self) -> Iterator[Entry]:
        """The elements of the run, in order. Raises `RECIPIENT_INVALID`, `ENCRYPTION_FAILED`."""
        about = {"layouts": list(self.layouts), "recipients": list(self.recipients)}
        yield Entry(ABOUT, b"", json.dumps(about, sort_keys=True, separators=(",", ":")).encode())
        sealing = companion_recipients(self.recipients)
        for file in self.files:
            content = file.content if sealing is None else sealing.encrypt_bytes(file.content)
            yield Entry(CONTENT, file.listed.path.encode(), content)
        for file in self.files:
            yield Entry(LISTING, file.listed.path.encode(), _listing(file.listed))


@dataclass(frozen=True, slots=True)
class StoredCompanions:
    """The companions that a writer stored last: their digest, the base of the point they were stored with, and their run."""

    digest: str
    base: str
    run: RunReference


@dataclass(frozen=True, slots=True)
class CompanionsDraft:
    """What a new point is to have, and what is in the repository already."""

    wanted: CompanionSet
    stored: StoredCompanions | None = None

    def reusable(self, base: str) -> RunReference | None:
        """The stored run where it says the same, and was stored since the same base, so that it is as young as all else."""
        stored = self.stored
        same = stored is not None and (stored.digest, stored.base) == (self.wanted.digest, base)
        return stored.run if stored is not None and same else None


@dataclass(frozen=True, slots=True)
class Listing:
    """What whoever opens a point sees of its companions."""

    layouts: tuple[str, ...]
    recipients: tuple[str, ...]
    files: tuple[Companion, ...]


def companions_of(point: PointReader) -> Listing | None:
    """The companions of a point, None where it has none. Raises `OBJECT_DAMAGED`, `OBJECT_MISSING`."""
    reference = _reference(point)
    if reference is None:
        return None
    about: Fields | None = None
    files = []
    for entry in point.run(reference).entries():
        if entry.bucket == ABOUT:
            about = Fields(parse_object(entry.value, reference.name), reference.name)
        elif entry.bucket == LISTING:
            files.append(_listed(entry, reference.name))
    if about is None:
        raise damaged(reference.name, "it does not say what its companions are")
    listing = Listing(about.texts("layouts", longest=4096), about.texts("recipients", longest=1000), tuple(files))
    about.finish()
    return listing


def contents_of(point: PointReader, listing: Listing, identities: Sequence[AgeIdentity]) -> Iterator[CompanionFile]:
    """Every file with its content, in the order of paths; `identities` open them where they are sealed.

    Raises `COMPANIONS_SEALED` where none of them opens, and `OBJECT_DAMAGED` for a content that is not the listed one.
    """
    reference = _reference(point)
    assert reference is not None
    listed = {file.path: file for file in listing.files}
    seen = 0
    for entry in point.run(reference).entries():
        if entry.bucket != CONTENT:
            continue
        file = listed.get(entry.key.decode("utf-8", "replace"))
        if file is None:
            raise damaged(reference.name, "it holds a file that it does not list")
        content = _opened(entry.value, identities, point) if listing.recipients else entry.value
        if len(content) != file.size or hashlib.sha256(content).hexdigest() != file.sha256:
            raise damaged(reference.name, f"`{file.path}` is not what is listed")
        seen += 1
        yield CompanionFile(file, content)
    if seen != len(listed):
        raise damaged(reference.name, "it lists files that it does not hold")


def _reference(point: PointReader) -> RunReference | None:
    return next(iter(point.manifest.of_kind(ObjectClass.COMPANIONS)), None)


def companion_recipients(texts: Sequence[str]) -> AgeRecipients | None:
    """To whom contents are sealed beside the point's own key; None for nobody in particular. Raises `RECIPIENT_INVALID`."""
    for text in texts:
        if not text.startswith("age1"):
            raise errors.RECIPIENT_INVALID.error("companions are sealed to keys of age", why=f"`{text[:60]}` is none")
    found = read_recipients(texts, {})
    assert found is None or isinstance(found, AgeRecipients)
    return found


def _opened(sealed: bytes, identities: Sequence[AgeIdentity], point: PointReader) -> bytes:
    for identity in identities:
        content = identity.decrypt(sealed)
        if content is not None:
            return content
    raise errors.COMPANIONS_SEALED.error(
        "no identity that was given opens the companions of this point", where=point.manifest.where
    )


def _listing(file: Companion) -> bytes:
    fields = {
        "group": file.group,
        "kind": file.kind,
        "link": file.link,
        "mode": file.mode,
        "owner": file.owner,
        "sha256": file.sha256,
        "size": file.size,
        "uid": file.uid,
        "gid": file.gid,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _listed(entry: Entry, where: str) -> Companion:
    try:
        path = entry.key.decode()
    except UnicodeDecodeError:
        raise damaged(where, "the path of a companion is no text") from None
    if not _PATH.fullmatch(path) or any(part in (".", "..") for part in path.split("/")) or len(path) > 4096:
        raise damaged(where, "a companion has a path that leads elsewhere")
    fields = Fields(parse_object(entry.value, where), where)
    file = Companion(
        path,
        fields.text("kind", "[a-z-]{1,40}"),
        fields.number("mode", 0, 0o7777),
        fields.number("uid", 0, (1 << 32) - 1),
        fields.number("gid", 0, (1 << 32) - 1),
        fields.text("owner", _NAME),
        fields.text("group", _NAME),
        fields.number("size", 0, LARGEST_FILE),
        fields.text("sha256", _HASH),
        fields.text("link", longest=4096),
    )
    fields.finish()
    return file
