"""A server's settings in etcd's words: its flags, its environment variables, its configuration file.

    given.gather        flags, environment, file -> the texts that count, each with its origin
    resolve.resolve     texts -> ServerSettings, checked, with notices for the log

`table.py` is the list of all flags and what becomes of each.
"""

from backstay.server.settings.flags import Flag, Group, Kind, Standing
from backstay.server.settings.given import Given, Notice, gather
from backstay.server.settings.resolve import Resolved, resolve
from backstay.server.settings.server_settings import (
    AutoCompaction,
    CompactionMode,
    KeepaliveSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    ServerSettings,
    TlsSettings,
)
from backstay.server.settings.table import FLAGS, GROUPS, RENAMED
from backstay.server.settings.words import Url

__all__ = [
    "FLAGS",
    "GROUPS",
    "RENAMED",
    "AutoCompaction",
    "CompactionMode",
    "Flag",
    "Given",
    "Group",
    "KeepaliveSettings",
    "Kind",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "Notice",
    "Resolved",
    "ServerSettings",
    "Standing",
    "TlsSettings",
    "Url",
    "gather",
    "resolve",
]
