"""What the commands about repositories print of points: as plain data with stable keys, and as rows for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backstay.cli.render.plain import Plain
from backstay.repository.facts import Fact, PointFact
from backstay.repository.manifest import Manifest, PointFacts
from backstay.values import Revision, compaction_text, size_text

SEALED = "sealed"
"""What stands where an identity would be needed."""


Verified = tuple[Fact, PointFact] | None
"""The best that is known of a point's verification."""


def point_plain(
    manifest: Manifest, facts: PointFacts | None, verified: Verified = None, tags: Sequence[str] = ()
) -> dict[str, Plain]:
    """A point; `facts` is None where no identity opens them, `tags` were given to it later."""
    data: dict[str, Plain] = {
        "id": manifest.id,
        "lineage": manifest.lineage,
        "sequence": manifest.sequence,
        "time": time_plain(manifest.time),
        "cluster": manifest.cluster,
        "stored_bytes": manifest.stored_bytes,
        "history": not manifest.is_state_only,
        "runs": [{"class": run.kind.label, "name": run.name, "size": run.size} for run in manifest.runs],
        "verified": verified_plain(verified),
        "parent": None if manifest.parent is None else f"{manifest.parent.lineage}-{manifest.parent.sequence}",
    }
    if facts is None:
        return {**data, "sealed": True, "tags": list(tags)}
    whole = not manifest.is_state_only
    return {
        **data,
        "sealed": False,
        "revision": facts.revision,
        "compact_revision": facts.compact_revision,
        "keys": facts.keys,
        "records": facts.records,
        "normalised": facts.normalised,
        "state_digest": facts.state_digest,
        "records_digest": facts.records_digest if whole else None,
        "file": None
        if not whole
        else {
            "size": facts.file.size,
            "page_size": facts.file.page_size,
            "hash": facts.file.hash,
            "pages_sha256": facts.file.pages_sha256,
        },
        "hash_kv": facts.hash_kv.hash if whole else None,
        "source": dict(facts.source),
        "tags": list(all_tags(facts, tags)),
    }


def all_tags(facts: PointFacts | None, given: Sequence[str]) -> tuple[str, ...]:
    """The tags that a point was made with, where they can be read, and those that were given to it later."""
    return tuple(dict.fromkeys((*(facts.tags if facts is not None else ()), *given)))


def verified_plain(verified: Verified) -> dict[str, Plain] | None:
    """Level, date, who and with what; never one without the others."""
    if verified is None:
        return None
    fact, point = verified
    return {"level": point.level, "time": time_plain(fact.time), "by": fact.by, "engine": fact.engine}


def verified_text(verified: Verified) -> str:
    """The same in a few words."""
    return "never" if verified is None else f"{verified[1].level} {verified[0].time:%Y-%m-%d}"


def point_rows(manifest: Manifest, facts: PointFacts | None, tags: Sequence[str] = ()) -> list[tuple[str, object]]:
    """A point, label by label."""
    rows: list[tuple[str, object]] = [
        ("Point", manifest.id),
        ("Time", time_plain(manifest.time)),
        ("Cluster", manifest.cluster),
        ("Needs", f"{len(manifest.runs)} objects, {size_text(manifest.stored_bytes)}"),
    ]
    if manifest.parent is not None:
        rows.append(("Goes on from", f"{manifest.parent.lineage}-{manifest.parent.sequence}"))
    words = all_tags(facts, tags)
    if words:
        rows.append(("Tags", ", ".join(words)))
    if facts is None:
        return [*rows, ("Content", "sealed: give an identity to see it")]
    source = ("Source", ", ".join(f"{name} {value}" for name, value in facts.source.items()))
    if manifest.is_state_only:
        return [
            *rows,
            ("Revision", f"{facts.revision}, and no other: its history has faded"),
            ("Keys", facts.keys),
            ("File", f"{size_text(facts.file.size)} at most"),
            source,
        ]
    return [
        *rows,
        ("Revision", f"{facts.revision} ({compaction_text(Revision(facts.compact_revision))})"),
        ("Keys", f"{facts.keys} in {facts.records} records"),
        ("File", f"{size_text(facts.file.size)}, HASH {facts.file.hash:x}"),
        ("HashKV", facts.hash_kv.hash),
        source,
    ]


def time_plain(time: datetime) -> str:
    """A time as every output has it; `--at` takes it."""
    return f"{time:%Y-%m-%dT%H:%M:%S}Z"
