"""How a cluster stands: every departure from the promise is named, and the worst is the exit status."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backstay import errors
from backstay.errors import ExitStatus
from backstay.jobs.automation.copy import Look, Verified
from backstay.jobs.automation.promised import promised
from backstay.jobs.automation.standing import CopyStanding, Standing, judge
from backstay.policy.copies import CopyPlace
from backstay.policy.tiers import BUILT_IN

NOW = datetime(2026, 11, 27, 18, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PROMISE = promised("prod", "fra", BUILT_IN["critical"])
VERIFIED = Verified("a-1", "intact", NOW - 60 * MINUTE, "backstay 1")
REBUILT = Verified("a-1", "rebuilt", NOW - 60 * MINUTE, "backstay 1", 40.0)
GOOD = Look("a-9", NOW - 3 * MINUTE, VERIFIED, REBUILT)
PLACES = {
    "near": CopyPlace("storage", "fra", object_store=False, plain=False),
    "far": CopyPlace("s3", "ams", object_store=True, plain=False),
    "files": CopyPlace("host", "fra", object_store=False, plain=True),
}


def standing(**looks: Look | errors.BackstayError) -> Standing:
    """All copies good, but for those that are given."""
    copies = []
    for name, place in PLACES.items():
        found = looks.get(name, GOOD)
        failure, look = (found, None) if isinstance(found, errors.BackstayError) else (None, found)
        copies.append(CopyStanding(name, "repository", f"/srv/{name}", place, look, failure))
    return judge("prod", PROMISE, copies, NOW)


def codes(found: Standing) -> list[str]:
    return [each.code for each in found.findings]


def test_every_promise_kept_says_nothing() -> None:
    found = standing()
    assert (found.findings, found.missing, found.exit_status) == ((), (), ExitStatus.OK)
    assert found.lost_now == 3 * MINUTE


DOWN = errors.STORAGE_UNREACHABLE.error("it is down")
FORGED = errors.SIGNATURE_WRONG.error("it is forged")


@pytest.mark.parametrize(
    ("look", "code", "status"),
    [
        (DOWN, "copy-unreachable", ExitStatus.WARNINGS),
        (FORGED, "copy-tampered", ExitStatus.TAMPERED),
        (replace(GOOD, newest=NOW - 30 * MINUTE), "copy-behind", ExitStatus.WARNINGS),
        (replace(GOOD, newest=None), "copy-behind", ExitStatus.WARNINGS),
        (replace(GOOD, verified=None), "verification-old", ExitStatus.WARNINGS),
        (
            replace(GOOD, verified=replace(VERIFIED, time=NOW - timedelta(days=31))),
            "verification-old",
            ExitStatus.WARNINGS,
        ),
        (
            replace(GOOD, failed=replace(VERIFIED, level="listed")),
            "verification-failed",
            ExitStatus.VERIFICATION_FAILED,
        ),
    ],
)
def test_one_copy_that_departs_is_named(look: Look | errors.BackstayError, code: str, status: ExitStatus) -> None:
    found = standing(far=look)
    assert code in codes(found)
    assert found.exit_status is status
    lost = code in ("copy-unreachable", "copy-tampered", "copy-behind")
    assert ("a copy in an object store" in found.missing) is lost


def test_a_breach_is_reported_as_one() -> None:
    old = replace(GOOD, newest=NOW - 16 * MINUTE)
    found = standing(near=old, far=old, files=old)
    assert (codes(found), found.exit_status) == (["rpo-breached"], ExitStatus.NOT_RESTORABLE)
    assert "16m would be lost, 15m at most" in found.findings[0].evidence
    assert standing(near=old, far=old).exit_status is ExitStatus.WARNINGS  # one copy is fresh


def test_a_restore_that_takes_too_long_is_a_breach_and_a_newer_proof_counts() -> None:
    slow = replace(GOOD, rebuilt=replace(REBUILT, seconds=301.0, time=NOW))
    assert codes(standing(far=slow)) == ["rto-breached"]
    assert standing(far=slow).exit_status is ExitStatus.NOT_RESTORABLE
    never = replace(GOOD, rebuilt=None)
    assert codes(standing(near=never, far=never, files=never)) == ["rto-unmeasured"]


def test_nothing_saved_and_nobody_there() -> None:
    nothing = Look("", None, None, None)
    empty = standing(near=nothing, far=nothing, files=nothing)
    assert "nothing-saved" in codes(empty)
    assert (empty.exit_status, empty.lost_now) == (ExitStatus.NOT_RESTORABLE, None)
    assert standing(near=DOWN, far=DOWN, files=DOWN).exit_status is ExitStatus.STORAGE
    assert standing(near=DOWN, far=FORGED, files=DOWN).exit_status is ExitStatus.TAMPERED


def test_without_a_promise_only_what_is_there_is_judged() -> None:
    copy = CopyStanding("near", "repository", "/srv", PLACES["near"], replace(GOOD, newest=NOW - timedelta(days=9)))
    assert judge("prod", None, [copy], NOW).exit_status is ExitStatus.OK
