"""Every default deadline of the client, in one table.

Read by `connection.py`; nobody else invents a number. All values are seconds.
"""

from __future__ import annotations

from enum import Enum

DIAL = 2.0
"""Time to get a usable connection to one endpoint."""

COMMAND = 5.0
"""One ordinary call, as etcdctl's --command-timeout."""

LONG = 60.0
"""Calls whose work grows with the store: Defragment, Hash, HashKV, physical compaction, moving the leader."""

STREAM_IDLE = 30.0
"""The longest silence inside a stream that must keep sending (Snapshot); it has no total deadline."""

WATCH_RESUME = 60.0
"""How long a broken watch tries to come back before it gives up."""

KEEPALIVE_INTERVAL = 30.0
"""Between pings on a connection with open streams; etcd punishes less than 5 s."""

KEEPALIVE_TIMEOUT = 10.0
"""Without an answer to a ping for so long, the connection is dead."""

PROBE = 1.0
"""Each step of finding out why a connection failed."""


class Deadline(Enum):
    """Which of the deadlines a method has."""

    COMMAND = "command"
    LONG = "long"
    IDLE = "idle"
