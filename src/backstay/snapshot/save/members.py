"""Whether the members agree with a file: their HashKV at its revision against the file's own.

Called by `verify`. Two answers compare only at the same revision *and* compact revision (etcd-files section 4), so:

* a member that has compacted since is compared at its compact revision, which the file can still answer for;
* a member that lags is asked again for a while;
* from 3.5.5 on, a member remembers the hash it computed during a compaction and answers with it, and with the compact
  revision before, when asked for exactly that revision. It is then asked for its newest revision instead, which
  is the same one unless somebody has written meanwhile;
* releases differ in one point, a deletion at exactly the compact revision; either way is accepted as equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from backstay import errors
from backstay.clock import Clock
from backstay.errors import BackstayError
from backstay.formats import hashkv
from backstay.formats.hashkv import HashRule
from backstay.values import MemberId, Revision, hex_id

if TYPE_CHECKING:
    from backstay.etcd.results import HashKV

PATIENCE_SECONDS = 3.0
"""How long a member that lags is waited for."""

_PAUSE_SECONDS = 0.1
_PARALLEL = 8
_NEWEST = Revision(0)
_RULES = (
    hashkv.CURRENT_RULE,
    HashRule(skips_tombstone_at_compaction=False, answers_at_compact_revision=True),
)


class Verdict(Enum):
    """What a comparison came to."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class HashSource:
    """A member that can be asked for HashKV at a revision (0: its newest); `ask` raises `BackstayError`."""

    endpoint: str
    member_id: MemberId
    ask: Callable[[Revision], HashKV]

    def __str__(self) -> str:
        return f"{self.endpoint} (member {hex_id(self.member_id)})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a member said: a hash, or the problem that kept it from saying one."""

    member: HashSource
    hash_kv: HashKV | None = None
    problem: BackstayError | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One member against the file. `why` is a sentence where nothing could be compared or the hashes differ."""

    endpoint: str
    member_id: MemberId
    verdict: Verdict
    why: str = ""
    hash: int | None = None
    compact_revision: Revision | None = None


FileHash = Callable[[Revision, Revision, HashRule], int]
"""HashKV of the file: at a revision, for a compact revision, by a rule."""


@contextmanager
def asking(
    members: Sequence[HashSource], revision: Revision, compact_revision: Revision, clock: Clock
) -> Iterator[list[Future[Answer]]]:
    """Ask all members at once, while the caller does something else; the futures are in their order."""
    if not members:
        yield []
        return
    pool = ThreadPoolExecutor(min(_PARALLEL, len(members)), thread_name_prefix="backstay-hashkv")
    try:
        yield [pool.submit(ask, member, revision, compact_revision, clock) for member in members]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # who was interrupted does not wait for slow members


def ask(member: HashSource, revision: Revision, compact_revision: Revision, clock: Clock) -> Answer:
    """The member's hash at `revision`, with a compact revision of at least `compact_revision` if it can be had."""
    ends = clock.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = _ask_once(member, revision, compact_revision)
        except BackstayError as problem:
            if problem.kind is not errors.REVISION_FUTURE or clock.monotonic() >= ends:
                return Answer(member, problem=problem)
        else:
            if answer.compact_revision >= compact_revision or clock.monotonic() >= ends:
                return Answer(member, answer)
        clock.sleep(_PAUSE_SECONDS)


def _ask_once(member: HashSource, revision: Revision, compact_revision: Revision) -> HashKV:
    try:
        answer = member.ask(revision)
    except BackstayError as problem:
        # Releases before 3.4.27 and 3.5.10 refuse the compact revision itself.
        if problem.kind is not errors.REVISION_COMPACTED or revision != compact_revision:
            raise
        newest = _newest_at(member, revision)
        if newest is None:
            raise
        return newest
    if answer.compact_revision < compact_revision:
        return _newest_at(member, revision) or answer
    return answer


def _newest_at(member: HashSource, revision: Revision) -> HashKV | None:
    """The hash of the newest revision if that is `revision`.

    Before 3.6 the answer tells only the revision after hashing. When two in a row name the same one, the second was
    hashed there.
    """
    answers = [member.ask(_NEWEST), member.ask(_NEWEST)]
    return answers[1] if all(answer.revision == revision for answer in answers) else None


def compare(answer: Answer, revision: Revision, compact_revision: Revision, file_hash: FileHash) -> Comparison:
    """The verdict about one answer. `compact_revision` is the file's own."""
    member, got = answer.member, answer.hash_kv
    if got is None:
        problem = answer.problem
        why = (problem.why or problem.what) if problem is not None else "no answer"
        return Comparison(member.endpoint, member.member_id, Verdict.NOT_COMPARED, why)
    verdict, why = Verdict.DIFFERENT, ""
    if got.compact_revision < compact_revision:
        verdict = Verdict.NOT_COMPARED
        why = f"it answers for compact revision {got.compact_revision}, and the file is compacted at {compact_revision}"
    elif any(file_hash(revision, got.compact_revision, rule) == got.hash for rule in _RULES):
        verdict = Verdict.SAME
    else:
        expected = file_hash(revision, got.compact_revision, _RULES[0])
        why = (
            f"at revision {revision}, compacted at {got.compact_revision}, it says {got.hash}; the file has {expected}"
        )
    return Comparison(member.endpoint, member.member_id, verdict, why, got.hash, got.compact_revision)
