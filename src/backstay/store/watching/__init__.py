"""Watching: streams of watchers, and the hub that gives each its events, live or out of history, in order and once."""

from backstay.store.watching.events import Created, WatchBatch, WatchEvent, WatchSpec
from backstay.store.watching.hub import WatchHub
from backstay.store.watching.streams import Watcher, WatchStream

__all__ = ["Created", "WatchBatch", "WatchEvent", "WatchHub", "WatchSpec", "WatchStream", "Watcher"]
