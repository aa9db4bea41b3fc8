"""The store on disk: etcd's data directory, founded, opened, appended to, checkpointed; every state of it opens.

`opening` is where to begin; it gives a `DurableStore` with the state, the journal and the locks. `checkpoint` shortens the
log. Below the engine, above the formats; real etcd of 3.4 to 3.7 starts on whatever is left here at any moment.
"""

from backstay.store.durable.checkpoint import adopt, checkpoint, plan_checkpoint, run_checkpoint, snapshot_file
from backstay.store.durable.disk import LocalStoreDisk, StoreDisk
from backstay.store.durable.founding import Founder
from backstay.store.durable.journal import Journal
from backstay.store.durable.opening import DurableStore, StoreOptions, open_store

__all__ = [
    "DurableStore",
    "Founder",
    "Journal",
    "LocalStoreDisk",
    "StoreDisk",
    "StoreOptions",
    "adopt",
    "checkpoint",
    "open_store",
    "plan_checkpoint",
    "run_checkpoint",
    "snapshot_file",
]
