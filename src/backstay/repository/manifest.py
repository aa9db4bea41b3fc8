"""Manifests: a point, or a maintenance commit, as one signed document (docs/formats/repository.md, 3).

What whoever reads the bucket may know stands in the open: lineage, sequence, time, names and sizes of runs. Revisions,
digests, the source and the tags are in a sealed object inside, for those who can read the repository.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from backstay import errors
from backstay.crypto.sealing import (
    HEADER_SIZE,
    LENGTH_SIZE,
    TRAILER_SIZE,
    EpochKey,
    ObjectClass,
    SealReader,
    SealWriter,
    damaged,
    decode_header,
    decode_trailer,
)
from backstay.crypto.signing import SigningKey, parse_object, read_document, sign_document
from backstay.repository import names
from backstay.repository.changes import KINDS, Change, Merge, decode_change, encode_change
from backstay.repository.compression import pack, unpack
from backstay.repository.fields import Fields, head_of, open_document, time_text
from backstay.repository.merging import CompactionRule
from backstay.repository.run.reader import Keys

BACKUP = "backup"
_KINDS = {kind.label: kind for kind in ObjectClass if kind is not ObjectClass.MANIFEST}
_CLUSTER = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_HASH = "[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class RunReference:
    """A run that a point needs."""

    kind: ObjectClass
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class SlotReference:
    """A slot of the epoch that a commit used."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The canonical bbolt file of a point, as it must come out of every restore.

    `pages_sha256` is SHA-256 of its pages from 2 on, then of pages 0 and 1; `hash` is the HASH of `snapshot status`.
    """

    pages_sha256: str
    size: int
    page_size: int
    hash: int


@dataclass(frozen=True, slots=True)
class HashFacts:
    """HashKV of the source at its revision; depends on the compact revision too."""

    hash: int
    revision: int
    compact_revision: int


@dataclass(frozen=True, slots=True)
class PointFacts:
    """What a point holds: the private part of a manifest."""

    revision: int
    compact_revision: int
    keeps_tombstones: bool
    normalised: int
    keys: int
    records: int
    state_digest: str
    records_digest: str
    entries_digest: str
    file: FileFacts
    hash_kv: HashFacts
    source: Mapping[str, str]
    tags: tuple[str, ...] = ()

    @property
    def of_state(self) -> PointFacts:
        """The same of a point whose history has faded: as if the source had been compacted at its own revision.

        `file`, `records_digest` and `hash_kv` go on saying what the source was.
        """
        return replace(self, compact_revision=self.revision, keeps_tombstones=True, normalised=0, records=self.keys)

    @property
    def rule(self) -> CompactionRule:
        """How its records follow from the runs."""
        return CompactionRule(self.compact_revision, self.keeps_tombstones)


@dataclass(frozen=True, slots=True)
class Parent:
    """The point of another lineage from which this one goes on."""

    lineage: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The public part of a manifest, and the sealed private one. `sha256` is of its bytes.

    Exactly those that are no backup have a `change`; those have no private part. A point that `is_state_only` (repository.standing)
    has no runs of history any more and gives back its own revision alone.
    """

    lineage: str
    sequence: int
    previous: str
    parent: Parent | None
    kind: str
    cluster: str
    time: datetime
    trust: int
    runs: tuple[RunReference, ...]
    slots: tuple[SlotReference, ...]
    sealed: bytes = field(repr=False)
    writer: str = ""
    sha256: str = field(default="", compare=False)
    change: Change | None = None
    is_state_only: bool = field(default=False, compare=False)

    @property
    def id(self) -> str:
        """What people call the point."""
        return f"{self.lineage}-{self.sequence}"

    @property
    def where(self) -> str:
        """The name of its object."""
        return names.manifest(self.lineage, self.sequence)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all runs it needs, those that it shares with other points too."""
        return sum(run.size for run in self.runs)

    @property
    def objects(self) -> tuple[RunReference | SlotReference, ...]:
        """Everything it needs besides itself and the public documents."""
        return (*self.runs, *self.slots)

    def of_kind(self, *kinds: ObjectClass) -> tuple[RunReference, ...]:
        """Its runs of some classes, in their order."""
        return tuple(run for run in self.runs if run.kind in kinds)


def seal_facts(facts: PointFacts, repository: str, epoch: EpochKey | None, salt: bytes) -> bytes:
    """The private part."""
    content = json.dumps(asdict(facts), sort_keys=True, separators=(",", ":")).encode()
    seal = SealWriter(ObjectClass.MANIFEST, repository, epoch, salt)
    return seal.header + seal.finish(pack(content))


def open_facts(manifest: Manifest, repository: str, keys: Keys) -> PointFacts:
    """What a point holds. Raises `KEY_UNAVAILABLE`, `OBJECT_DAMAGED`, `REPOSITORY_NEWER`."""
    where, data = manifest.where, manifest.sealed
    header = decode_header(data, where)
    trailer = decode_trailer(data[-TRAILER_SIZE:], len(data), where)
    if header.kind is not ObjectClass.MANIFEST or trailer.offset != HEADER_SIZE or trailer.number != 0:
        raise damaged(where, "its private part is not one")
    seal = SealReader(header, repository, keys(header.epoch, where), where)
    content = seal.open(0, data[HEADER_SIZE + LENGTH_SIZE : -TRAILER_SIZE], is_last=True)
    return _facts(Fields(parse_object(unpack(content, where), where), where))


def encode_manifest(manifest: Manifest, repository: str, key: SigningKey) -> bytes:
    """The document, signed by the writer."""
    parent = manifest.parent
    change = {} if manifest.change is None else {"change": encode_change(manifest.change)}
    return sign_document(
        head_of("manifest", repository)
        | {
            "lineage": manifest.lineage,
            "sequence": manifest.sequence,
            "previous": manifest.previous,
            "parent": None if parent is None else {"lineage": parent.lineage, "sequence": parent.sequence},
            "kind": manifest.kind,
            "cluster": manifest.cluster,
            "time": time_text(manifest.time),
            "trust": manifest.trust,
            "runs": [{"class": run.kind.label, "name": run.name, "size": run.size} for run in manifest.runs],
            "slots": [{"name": slot.name, "size": slot.size, "sha256": slot.sha256} for slot in manifest.slots],
            "private": base64.b64encode(manifest.sealed).decode(),
        }
        | change,
        key,
    )


def decode_manifest(data: bytes, lineage: str, sequence: int, repository: str, sha256: str) -> Manifest:
    """The manifest in `data`. Raises `SIGNATURE_WRONG`, `CHAIN_BROKEN`, `OBJECT_DAMAGED`, `REPOSITORY_NEWER`.

    Whether `writer` may have signed it is for the catalogue to say.
    """
    where = names.manifest(lineage, sequence)
    document = read_document(data, where)
    fields = open_document(document.fields, "manifest", where, repository)
    if fields.text("lineage", names.LINEAGE) != lineage or fields.number("sequence", 1) != sequence:
        raise errors.CHAIN_BROKEN.error(f"`{where}` is another manifest than its name says", where=where)
    parent = fields.optional_object("parent")
    kind = fields.text("kind", "[a-z-]{1,40}")
    if kind != BACKUP and kind not in KINDS.values():
        raise errors.REPOSITORY_NEWER.error(f"cannot read `{where}`", where=where, why=f"it is of the kind `{kind}`")
    manifest = Manifest(
        lineage,
        sequence,
        fields.text("previous", f"({_HASH})?"),
        None if parent is None else Parent(parent.text("lineage", names.LINEAGE), parent.number("sequence", 1)),
        kind,
        fields.text("cluster", _CLUSTER),
        fields.time("time"),
        fields.number("trust", 1),
        tuple(_run(each) for each in fields.objects("runs")),
        tuple(_slot(each) for each in fields.objects("slots")),
        _base64(fields),
        document.key,
        sha256,
        None if kind == BACKUP else decode_change(kind, sequence, fields.object("change")),
    )
    if parent is not None:
        parent.finish()
    fields.finish()
    _check_runs(manifest)
    return manifest


def _check_runs(manifest: Manifest) -> None:
    """Raise `OBJECT_DAMAGED` unless it names the runs that its kind has."""
    where = manifest.where
    kinds = [run.kind for run in manifest.runs]
    if manifest.change is not None:
        merged = [row.run for row in manifest.change.rows] if isinstance(manifest.change, Merge) else []
        if [run.name for run in manifest.runs] != merged or set(kinds) - {ObjectClass.MERGED}:
            raise damaged(where, "it names other runs than it merged")
        if manifest.sealed or manifest.parent is not None:
            raise damaged(where, "it holds what only a point has")
        return
    if kinds[-1:] == [ObjectClass.COMPANIONS]:
        kinds.pop()
    if kinds[:1] != [ObjectClass.BASE] or kinds[-1:] != [ObjectClass.ENTRIES]:
        raise damaged(where, "its runs do not begin with a base and end with the entries")
    if ObjectClass.COMPANIONS in kinds:
        raise damaged(where, "its companions are not its last run")


def _run(fields: Fields) -> RunReference:
    kind = fields.text("class", "|".join(_KINDS))
    run = RunReference(_KINDS[kind], fields.text("name", names.RUN), fields.number("size", 1))
    fields.finish()
    return run


def _slot(fields: Fields) -> SlotReference:
    slot = SlotReference(fields.text("name"), fields.number("size"), fields.text("sha256", _HASH))
    fields.finish()
    if names.slot_kind(slot.name) is None:
        raise damaged(fields.where, "it names a slot that is none")
    return slot


def _base64(fields: Fields) -> bytes:
    try:
        return base64.b64decode(fields.text("private", longest=1 << 24), validate=True)
    except (binascii.Error, ValueError):
        raise damaged(fields.where, "its private part is not base64") from None


def _facts(fields: Fields) -> PointFacts:
    file, hash_kv, source = fields.object("file"), fields.object("hash_kv"), fields.mapping("source")
    if not all(isinstance(each, str) for each in source.values()):
        raise damaged(fields.where, "its source is not said in texts")
    facts = PointFacts(
        revision=fields.number("revision", 1),
        compact_revision=fields.number("compact_revision", -1),
        keeps_tombstones=fields.flag("keeps_tombstones"),
        normalised=fields.number("normalised"),
        keys=fields.number("keys"),
        records=fields.number("records"),
        state_digest=fields.text("state_digest", _HASH),
        records_digest=fields.text("records_digest", _HASH),
        entries_digest=fields.text("entries_digest", _HASH),
        file=FileFacts(
            file.text("pages_sha256", _HASH),
            file.number("size"),
            file.number("page_size", 512, 1 << 16),
            file.number("hash", 0, (1 << 32) - 1),
        ),
        hash_kv=HashFacts(
            hash_kv.number("hash", 0, (1 << 32) - 1),
            hash_kv.number("revision", 1),
            hash_kv.number("compact_revision", -1),
        ),
        source=source,
        tags=fields.texts("tags", longest=200),
    )
    for each in (file, hash_kv, fields):
        each.finish()
    return facts
