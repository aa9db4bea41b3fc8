"""Recover: from a dead control plane to a ready one, on one host, with nothing else alive.

facts      what this host is, and the refusal of what must not be recovered
plan       what will happen, as a value: printed, journalled, carried out
journal    what has happened, one durable line each: what `--resume` and `--rollback` go by
exchange   old directory out, new directory in, and back
steps      the steps themselves, each of which may be done twice, and how each is taken back
verify     a real etcd asked whether it holds what the snapshot promises
loss       what the old directory has that the snapshot has not
recovery   the outline: begin, resume, roll back
"""

from backstay.jobs.recover.facts import RecoverFacts, RecoverOptions, gather_facts, refuse_healthy
from backstay.jobs.recover.loss import Loss
from backstay.jobs.recover.plan import PlannedStep, RecoverPlan, make_plan
from backstay.jobs.recover.recovery import Recovery, RecoveryTools
from backstay.jobs.recover.report import RecoverReport, RollbackReport

__all__ = [
    "Loss",
    "PlannedStep",
    "RecoverFacts",
    "RecoverOptions",
    "RecoverPlan",
    "RecoverReport",
    "Recovery",
    "RecoveryTools",
    "RollbackReport",
    "gather_facts",
    "make_plan",
    "refuse_healthy",
]
