"""The outline of a recovery: begin one, go on with one, take one back. Each line of it is a step that is journalled.

Called by the command line. One recovery at a time: the lock keeps two processes apart, the journal two recoveries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.control_plane import API_SERVER, ETCD
from backstay.cluster.host import Host
from backstay.durable import Disk, target_error
from backstay.errors import BackstayError
from backstay.jobs.recover import journal as journals
from backstay.jobs.recover import steps
from backstay.jobs.recover.journal import Journal
from backstay.jobs.recover.loss import Loss, find_loss, unknown
from backstay.jobs.recover.plan import RecoverPlan
from backstay.jobs.recover.report import REMINDERS, RecoverReport, RollbackReport
from backstay.jobs.recover.steps import Deadlines, Work
from backstay.jobs.recover.verify import Comparison
from backstay.snapshot.restore import SourceFacts
from backstay.telemetry import Progress

T = TypeVar("T")

_WAYS_ON = "`backstay recover --resume` goes on, `backstay recover --rollback` puts the old state back"


def _nothing(kind: str, step: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class RecoveryTools:
    """What a recovery works with. `after_line` is called with kind and step when a line of the journal is on disk."""

    host: Host
    disk: Disk
    clock: Clock
    progress: Progress
    deadlines: Deadlines = field(default_factory=Deadlines)
    after_line: Callable[[str, str], None] = _nothing


class Recovery:
    """The recoveries of one host."""

    def __init__(self, tools: RecoveryTools) -> None:
        self._tools = tools

    def refuse_unfinished(self) -> None:
        """Raise `RECOVERY_UNFINISHED` while there is one to be resumed or rolled back. Changes nothing."""
        found = self._newest(self._tools.host.path(journals.DIRECTORY))
        if found is not None and not (found.is_finished or found.is_rolled_back):
            raise errors.RECOVERY_UNFINISHED.error(
                f"the recovery {found.plan.id} from {found.plan.snapshot} has not ended", where=str(found.path)
            )

    def begin(self, plan: RecoverPlan, source: SourceFacts | None = None) -> RecoverReport:
        """Carry out `plan`; `source` spares a second examination of the snapshot.

        Raises `RECOVERY_UNFINISHED`, and what a step meets: the error then says how to go on.
        """
        with journals.exclusive(self._tools.host, self._tools.disk) as directory:
            self.refuse_unfinished()
            journal = journals.create(directory, plan, self._tools.disk, self._tools.clock)
            journal.after_line = self._tools.after_line
            self._tools.after_line("plan", "")
            return self._carry_out(self._work(journal, source))

    def resume(self) -> RecoverReport:
        """Finish the recovery that has not ended. Raises `RECOVERY_ABSENT`, `RECOVERY_UNFINISHED`, and as `begin`."""
        with journals.exclusive(self._tools.host, self._tools.disk) as directory:
            journal = self._newest(directory)
            if journal is None or journal.is_finished or journal.is_rolled_back:
                raise errors.RECOVERY_ABSENT.error(
                    "there is nothing to resume",
                    where=str(directory),
                    why=f"the recovery {journal.plan.id} has ended" if journal is not None else "",
                )
            if journal.is_rolling_back:
                raise errors.RECOVERY_UNFINISHED.error(
                    f"the recovery {journal.plan.id} is being rolled back",
                    where=str(journal.path),
                    next_step="finish that with `backstay recover --rollback`",
                )
            return self._carry_out(self._work(journal, None))

    def rollback(self) -> RollbackReport:
        """Put the old data and the manifests back, from whatever state. Raises `RECOVERY_ABSENT` and what is in the way."""
        with journals.exclusive(self._tools.host, self._tools.disk) as directory:
            journal = self._newest(directory)
            if journal is None or journal.is_rolled_back:
                raise errors.RECOVERY_ABSENT.error("there is nothing to roll back", where=str(directory))
            _refuse_without_old_data(journal)
            if not journal.is_rolling_back:
                journal.add("rolling-back")
            plan = journal.plan
            started = self._attempt("rollback", lambda: steps.undo(self._work(journal, None)), journal)
            journal.add("rolled-back")
            return RollbackReport(
                id=plan.id,
                restored=tuple(str(each.live) for each in plan.exchanges if each.live.exists()),
                kept=tuple(str(each.rejected) for each in plan.exchanges if each.rejected.exists()),
                started=started,
                journal=str(journal.path),
            )

    def _newest(self, directory: Path) -> Journal | None:
        journal = journals.newest(directory, self._tools.disk, self._tools.clock)
        if journal is not None:
            journal.after_line = self._tools.after_line
        return journal

    def _carry_out(self, work: Work) -> RecoverReport:
        journal, clock = work.journal, self._tools.clock
        for step in journal.plan.steps:
            if journal.result(step.name) is not None:
                continue
            journal.add("began", step=step.name)
            begun = clock.monotonic()
            result = self._attempt(step.name, lambda name=step.name: steps.ACTS[name](work), journal)  # type: ignore[misc]
            journal.add("done", step=step.name, seconds=round(clock.monotonic() - begun, 3), result=result)
        steps.tidy(journal.plan)
        self._tools.progress.begin("looking at what was lost", None)
        report = _report(journal)
        journal.add("finished", report=asdict(report))
        return report

    def _attempt(self, step: str, act: Callable[[], T], journal: Journal) -> T:
        """Do one step; what stops it is journalled, and its error says how to go on."""
        try:
            return act()
        except BackstayError as problem:
            journal.add("failed", step=step, why=str(problem))
            next_step = problem.next_step
            if "--resume" not in next_step and "--rollback" not in next_step:
                next_step = f"{next_step}; then {_WAYS_ON}"
            raise problem.kind.error(
                problem.what, where=problem.where, why=problem.why, next_step=next_step
            ) from problem
        except OSError as problem:
            journal.add("failed", step=step, why=str(problem))
            told = target_error(problem, journal.plan.data_directory)
            raise told.kind.error(
                f"{told.what} in step {step}", where=told.where, why=told.why, next_step=_WAYS_ON
            ) from problem
        except KeyboardInterrupt as problem:
            raise errors.INTERRUPTED.error(f"interrupted in step {step}", next_step=_WAYS_ON) from problem

    def _work(self, journal: Journal, source: SourceFacts | None) -> Work:
        tools = self._tools
        return Work(journal.plan, journal, tools.host, tools.disk, tools.clock, tools.progress, tools.deadlines, source)


def _refuse_without_old_data(journal: Journal) -> None:
    """Raise `SOURCE_NOT_FOUND` when somebody has removed what a rollback would bring back."""
    exchanged = journal.result("exchange")
    if exchanged is None or journal.is_rolling_back:
        return
    missing = [path for path in exchanged["kept"] if not Path(path).exists()]
    if missing:
        raise errors.SOURCE_NOT_FOUND.error(
            f"the old data of the recovery {journal.plan.id} is gone, so there is nothing to go back to",
            where=", ".join(missing),
            next_step="begin a new recovery with `backstay recover --from FILE`",
        )


def _report(journal: Journal) -> RecoverReport:
    """The report, from what the journal has: the same after a resume."""
    plan = journal.plan
    prediction = steps.prediction(journal)
    last = API_SERVER if plan.component(API_SERVER) is not None else ETCD
    ready = journal.ended(last)
    assert ready is not None
    proved, asked = journal.result("prove") or {}, journal.result(ETCD) or {}
    served = journal.result(API_SERVER) or {}
    comparisons = [*proved.get("comparisons", ()), *asked.get("comparisons", ())]
    unique = {each["what"]: Comparison(**each) for each in comparisons}
    notes = [*proved.get("notes", ()), *asked.get("notes", ()), *served.get("notes", ())]
    exchanged = journal.result("exchange") or {}
    kept = tuple(exchanged.get("kept", ()))
    reminders = (*REMINDERS, *(f"when all is well, remove the old data: {path}" for path in kept))
    return RecoverReport(
        id=plan.id,
        snapshot=str(plan.snapshot),
        cluster_name=plan.cluster_name,
        seconds_to_ready=round((ready - journal.began).total_seconds(), 3),
        seconds=journal.seconds(),
        revision_before=plan.revision_before,
        revision_after=plan.revision_after,
        keys=sum(prediction.resources.values()),
        resources=prediction.resources,
        proof=proved.get("proof", "offline"),
        comparisons=tuple(unique.values()),
        notes=tuple(dict.fromkeys(notes)),
        loss=_loss(plan),
        kept=kept,
        reminders=reminders,
        journal=str(journal.path),
    )


def _loss(plan: RecoverPlan) -> Loss:
    first, *others = plan.exchanges
    if not first.kept.exists():
        return unknown("there was no old data directory", first.live)
    log = plan.log_directory
    if others:
        log = others[0].kept
    elif log is not None:
        log = first.kept / log.relative_to(first.live)
    return find_loss(plan.snapshot, first.kept, log, skip_hash_check=plan.skip_hash_check)
