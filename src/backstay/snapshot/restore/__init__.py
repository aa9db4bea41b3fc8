"""Restore: a store on disk becomes the data directories of a new cluster, rebuilt from records and proven.

examine   reads the source and refuses what must not be restored
members   the new cluster from `--initial-cluster`
plan      what will happen, as a value that can be printed before anything does
records   the buckets of the new database
write     the directories, under a temporary name until they are proven, and the HashKV a started server must answer
"""

from backstay.snapshot.restore.examine import SourceFacts, examine, open_source
from backstay.snapshot.restore.members import NewCluster, check_advertised, new_cluster
from backstay.snapshot.restore.plan import DEFAULT_BUMP, Changes, LeaseTreatment, RestorePlan, Target, make_plan
from backstay.snapshot.restore.write import RestoreResult, restore

__all__ = [
    "DEFAULT_BUMP",
    "Changes",
    "LeaseTreatment",
    "NewCluster",
    "RestorePlan",
    "RestoreResult",
    "SourceFacts",
    "Target",
    "check_advertised",
    "examine",
    "make_plan",
    "new_cluster",
    "open_source",
    "restore",
]
