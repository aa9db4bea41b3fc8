"""The removal of old plain backups at one place; what may go is decided by `policy.plain_retention`.

Called by the run for a place where its backup has arrived. The backups that the removals rest upon are read and proven
first; if one is bad, it is decided again without it. A backup goes before its record, so that no backup is left that
has lost its proof. Files of other names are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from backstay import errors
from backstay.jobs.rotate.names import parse_name, record_name
from backstay.jobs.rotate.places import Held, Place, examine, flaw_of_bytes
from backstay.policy.plain_retention import Decision, Retention, decide


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a cleanup did, or would do: the decision, the flaws of what does not count as good, and what has gone.

    `failure` is the error that ended the removals before their end.
    """

    decision: Decision
    flaws: dict[str, str]
    removed: tuple[str, ...]
    failure: errors.BackstayError | None = None


def clean(place: Place, now: datetime, retention: Retention, *, dry_run: bool = False) -> Cleanup:
    """Remove what `retention` lets go at `now`. Raises what the store raises while nothing has been removed yet."""
    holdings = examine(place)
    backups = {held.file.name: held for held in holdings.backups}
    decision = _proven_decision(place, backups, now, retention)
    flaws = {name: held.flaw for name, held in backups.items() if held.flaw}
    if dry_run:
        return Cleanup(decision, flaws, ())
    removed: list[str] = []
    try:
        for name in reversed(decision.remove):  # the oldest first
            place.store.delete(name)
            removed.append(name)
            place.store.delete(record_name(name))
        for orphan in holdings.orphans:
            parsed = parse_name(orphan)
            if parsed is not None and now - parsed.saved > retention.keep:
                place.store.delete(orphan)
    except errors.BackstayError as problem:
        return Cleanup(decision, flaws, tuple(removed), problem)
    return Cleanup(decision, flaws, tuple(removed))


def _proven_decision(place: Place, backups: dict[str, Held], now: datetime, retention: Retention) -> Decision:
    """A decision whose every support has been read; marks in `backups` what turned out to be bad."""
    proven: set[str] = set()
    while True:
        decision = decide((held.file for held in backups.values()), now, retention)
        if not decision.remove:
            return decision
        bad = False
        for name in decision.relied_on:
            record = backups[name].record
            # Without a record it was verified from its bytes a moment ago.
            flaw = "" if name in proven or record is None else flaw_of_bytes(place.store, record)
            proven.add(name)
            if flaw:
                held, bad = backups[name], True
                backups[name] = Held(replace(held.file, good=False), None, flaw)
        if not bad:
            return decision
