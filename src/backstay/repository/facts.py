"""Dated facts: which points were verified up to which level, when, by whom, and with what. Signed by a trusted writer.

    facts/20261125/5d1c9f3a77e2b014

"verified" never stands without a level and a date; this is where both come from. A fact says nothing of what a point holds,
so it is public like the names of runs. What is not signed by a writer that the repository trusts is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from backstay import errors
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.repository import names
from backstay.repository.commit import put_once
from backstay.repository.fields import Fields, head_of, open_document, time_text
from backstay.repository.repository import Entropy, Repository
from backstay.repository.words import read_words

LEVELS = ("listed", "intact", "authentic", "coherent", "rebuilt", "drilled")
"""In their order; each includes the lower."""

PREFIX = "facts/"
_NAME = re.compile(r"facts/[0-9]{8}/[0-9a-f]{16}")
_LEVEL = "|".join(("none", *LEVELS))


@dataclass(frozen=True, slots=True)
class PointFact:
    """The level that a point reached, `none` for none; `wanted` is the level that was tried.

    `milliseconds` is what that took, for points that were rebuilt: no less than a restore takes.
    """

    lineage: str
    sequence: int
    level: str
    wanted: str
    milliseconds: int | None = None

    @property
    def point(self) -> str:
        """The id of the point."""
        return f"{self.lineage}-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Fact:
    """One verification. `engine` names the programs that did it, `by` the writer who signed."""

    time: datetime
    engine: str
    points: tuple[PointFact, ...]
    by: str = ""


def put_fact(repository: Repository, fact: Fact, key: SigningKey, entropy: Entropy) -> None:
    """Store a fact."""
    document = sign_document(
        head_of("verification", repository.id)
        | {
            "time": time_text(fact.time),
            "engine": fact.engine,
            "points": [_point_fields(each) for each in fact.points],
        },
        key,
    )
    name = f"{PREFIX}{fact.time.astimezone(UTC):%Y%m%d}/{entropy(8).hex()}"
    put_once(repository.store, name, document)


def read_facts(repository: Repository) -> tuple[Fact, ...]:
    """All facts that can be believed, oldest first. A damaged or foreign one is worth nothing and left out."""
    return tuple(fact for _, fact in read_named_facts(repository))


def read_named_facts(repository: Repository) -> tuple[tuple[str, Fact], ...]:
    """The same, each with the name of its object."""
    found = read_words(repository, PREFIX, _NAME, partial(_decode, repository))
    return tuple(sorted(found, key=lambda each: each[1].time))


def newest_by_point(facts: Sequence[Fact]) -> Mapping[str, tuple[Fact, PointFact]]:
    """Of each point the newest of the facts that reached the highest level; points that never reached one are absent."""
    best: dict[str, tuple[Fact, PointFact]] = {}
    for fact in facts:
        for each in fact.points:
            before = best.get(each.point)
            if each.level != "none" and (before is None or rank(each.level) >= rank(before[1].level)):
                best[each.point] = (fact, each)
    return best


def rank(level: str) -> int:
    """The place of a level in their order; -1 for none."""
    return LEVELS.index(level) if level in LEVELS else -1


def _decode(repository: Repository, name: str, data: bytes) -> Fact:
    document = read_document(data, name)
    writer = repository.trust.writer(document.key)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNATURE_WRONG.error(f"`{name}` is signed by a key that may not write here", where=name)
    fields = open_document(document.fields, "verification", name, repository.id)
    fact = Fact(
        fields.time("time"),
        fields.text("engine", longest=200),
        tuple(_point(each) for each in fields.objects("points")),
        writer.label,
    )
    fields.finish()
    return fact


def _point(fields: Fields) -> PointFact:
    point = PointFact(
        fields.text("lineage", names.LINEAGE),
        fields.number("sequence", 1),
        fields.text("level", _LEVEL),
        fields.text("wanted", _LEVEL),
        fields.number("milliseconds") if fields.has("milliseconds") else None,
    )
    fields.finish()
    return point


def _point_fields(point: PointFact) -> dict[str, str | int]:
    fields: dict[str, str | int] = {
        "lineage": point.lineage,
        "sequence": point.sequence,
        "level": point.level,
        "wanted": point.wanted,
    }
    return fields if point.milliseconds is None else {**fields, "milliseconds": point.milliseconds}
