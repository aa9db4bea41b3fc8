"""Before a point is made: what the writer remembers of its last one, against what the repository says by now, and against its age.

Called by `writing`. Public documents only, so no identity is needed: maintenance may have merged the runs of the last point,
which are gone on from, or swept them, or the store may have lost them; then a base is made. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backstay.repository import names
from backstay.repository.catalogue import read_catalogue
from backstay.repository.changes import Sweep
from backstay.repository.commit import read_following, require_seen
from backstay.repository.manifest import RunReference
from backstay.repository.memory import WriterMemory
from backstay.repository.repository import Entropy, Repository
from backstay.repository.standing import by_beginning, resolve, rows_of


@dataclass(frozen=True, slots=True)
class BaseRule:
    """When a new base is made although the last point is known."""

    max_age: timedelta = timedelta(hours=24)
    max_ratio: float = 8.0
    """Bytes of the S runs since the base, in bases."""

    def reason(self, memory: WriterMemory, now: datetime) -> str:
        """Why a base is due; empty when it is not."""
        if now - memory.based_at >= self.max_age:
            return f"the last base is of {memory.based_at:%Y-%m-%d %H:%M}"
        if sum(run.size for run in memory.chain) > self.max_ratio * memory.base.size:
            return f"the runs since the last base are {self.max_ratio:g} times its size"
        return ""


def caught_up(repository: Repository, memory: WriterMemory) -> tuple[WriterMemory, str]:
    """What is remembered after what maintenance did since: merged runs in its chain, and why it cannot be gone on from.

    Reads public fields only. The second is empty where nothing that is remembered was swept.
    """
    if not require_seen(repository, memory.lineage, memory.sequence, memory.head):
        return memory, "a sweep has removed the manifest of the last point"
    following = read_following(repository, memory.lineage, memory.sequence)
    chain = resolve(memory.chain, by_beginning(rows_of(following)))
    memory = replace(memory, chain=chain)
    declared = {name for each in following if isinstance(each.change, Sweep) for name in each.change.deleted}
    gone = declared & {run.name for run in _remembered(memory)}
    return memory, f"{len(gone)} runs of the last point were swept" if gone else ""


def lost_run(repository: Repository, memory: WriterMemory) -> str:
    """Why the remembered runs cannot be gone on from; empty when all are there."""
    there = {blob.name: blob.size for blob in repository.store.list(f"{names.RUNS}{memory.lineage}/")}
    wanted = _remembered(memory)
    lost = [run for run in wanted if there.get(run.name) != run.size]
    return f"{len(lost)} of {len(wanted)} runs of the last point are gone" if lost else ""


def newest_lineage(repository: Repository, cluster: str, entropy: Entropy) -> str:
    """The newest lineage of this cluster, or a new one."""
    own = [each for each in read_catalogue(repository).require_sound().points if each.cluster == cluster]
    return own[-1].lineage if own else entropy(8).hex()


def _remembered(memory: WriterMemory) -> tuple[RunReference, ...]:
    return (memory.base, *memory.chain, *(each.run for each in memory.histories))
