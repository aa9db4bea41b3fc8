"""What a maintenance commit says: the public part of a manifest that is no backup (docs/formats/repository.md, 3).

    expiry   {"points": [3, 4], "plan": "<sha256>", "reason": "...", "window": 31622400}     marked; nothing is gone yet
    fade     the same fields; `window` is how far back every revision was promised           state-only from here on
    recall   {"points": [3], "reason": "..."}                                                neither marked nor faded
    merge    {"rows": [{"run": "runs/...", "replaces": ["runs/...", "runs/..."]}]}           one run says what several said
    sweep    {"points": [3, 4], "deleted": ["runs/..."], "floor": {"sequence", "sha256"}}    gone for good, or about to be

Points are sequences of the manifest's own lineage. A sweep is committed before anything is deleted: whoever commits after
it has read it, and whoever committed before it was read by it. Below the floor manifests may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from backstay.crypto.sealing import damaged
from backstay.repository import names
from backstay.repository.fields import Fields

LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Expiry:
    """Points that may go once the grace is over. `window` is how many seconds back the policy promised anything."""

    points: tuple[int, ...]
    plan: str
    reason: str
    window: int


@dataclass(frozen=True, slots=True)
class Fade:
    """Points that give back their own revision alone: their history may go. `window` is how many seconds back all of it stays."""

    points: tuple[int, ...]
    plan: str
    reason: str
    window: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Points that stay after all, and with their history as far as it is there."""

    points: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """The run that takes the place of others, which follow one another in chains."""

    run: str
    replaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Rows; their runs are those that the manifest names."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """The first manifest that is needed, and SHA-256 of its bytes."""

    sequence: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Points that are no more, and the runs that nobody may refer to from here on."""

    points: tuple[int, ...]
    deleted: tuple[str, ...]
    floor: Floor | None


Change: TypeAlias = Expiry | Fade | Recall | Merge | Sweep

EXPIRY, FADE, RECALL, MERGE, SWEEP = "expiry", "fade", "recall", "merge", "sweep"
KINDS: dict[type[Change], str] = {Expiry: EXPIRY, Fade: FADE, Recall: RECALL, Merge: MERGE, Sweep: SWEEP}


def kind_of(change: Change) -> str:
    """The kind of the manifest that says it."""
    return KINDS[type(change)]


def encode_change(change: Change) -> dict[str, Any]:
    """The field `change`."""
    match change:
        case Expiry() | Fade():
            return {
                "points": list(change.points),
                "plan": change.plan,
                "reason": change.reason,
                "window": change.window,
            }
        case Recall():
            return {"points": list(change.points), "reason": change.reason}
        case Merge():
            return {"rows": [{"run": row.run, "replaces": list(row.replaces)} for row in change.rows]}
        case Sweep():
            floor = change.floor
            return {
                "points": list(change.points),
                "deleted": list(change.deleted),
                "floor": None if floor is None else {"sequence": floor.sequence, "sha256": floor.sha256},
            }


def decode_change(kind: str, sequence: int, fields: Fields) -> Change:
    """The change in manifest number `sequence`. Raises `OBJECT_DAMAGED`, `REPOSITORY_NEWER`."""
    change: Change
    if kind == MERGE:
        change = Merge(tuple(_row(each) for each in fields.objects("rows")))
    else:
        points = _points(fields, sequence)
        if kind in (EXPIRY, FADE):
            change = (Expiry if kind == EXPIRY else Fade)(
                points,
                fields.text("plan", f"({names.SHA256})?"),
                fields.text("reason", longest=LONGEST_REASON),
                fields.number("window"),
            )
        elif kind == RECALL:
            change = Recall(points, fields.text("reason", longest=LONGEST_REASON))
        else:
            change = Sweep(points, fields.texts("deleted", names.RUN), _floor(fields, sequence))
    fields.finish()
    return change


def _points(fields: Fields, sequence: int) -> tuple[int, ...]:
    points = tuple(fields.list("points"))
    if not all(type(each) is int and 1 <= each < sequence for each in points):
        raise damaged(fields.where, "it changes points that cannot be")
    return points


def _row(fields: Fields) -> Row:
    row = Row(fields.text("run", names.RUN), fields.texts("replaces", names.RUN))
    fields.finish()
    if len(row.replaces) < 2:
        raise damaged(fields.where, "it merges less than two runs")
    return row


def _floor(fields: Fields, sequence: int) -> Floor | None:
    found = fields.optional_object("floor")
    if found is None:
        return None
    floor = Floor(found.number("sequence", 1, sequence - 1), found.text("sha256", names.SHA256))
    found.finish()
    return floor
