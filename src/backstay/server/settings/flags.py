"""What a flag of etcd is to us. The flags themselves are data: `table.py`.

A standing says what becomes of a flag: the store heeds it, or takes it because it changes nothing for a single member, or
refuses it by name. A refused flag may still stand there with its default: files made by tools spell everything out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How the text of a flag is read; the words are those of error messages."""

    TEXT = "text"
    SWITCH = "true or false"
    NUMBER = "a whole number, 0 or more"
    SIGNED = "a whole number"
    DURATION = "a duration such as 5s, 10m or 100ms"
    URLS = "addresses such as http://127.0.0.1:2379, with commas between them"
    WORDS = "words with commas between them"
    GATES = "pairs such as CompactHashCheck=true, with commas between them"


class Group(Enum):
    """The headings of etcd's own help, in its order."""

    MEMBER = "Member"
    CLUSTERING = "Clustering"
    SECURITY = "Security"
    AUTH = "Auth"
    MONITORING = "Profiling and monitoring"
    LOGGING = "Logging"
    FEATURES = "Features"
    UNSAFE = "Unsafe"
    FORMER = "Flags of earlier releases"


class Standing(Enum):
    """What becomes of a flag."""

    SUPPORTED = "supported"
    ACCEPTED = "accepted"
    """Read and checked; it changes nothing, for the reason that `remark` gives."""
    REFUSED = "refused"
    """Any value but the default is an error; `remark` says what to do instead."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: `default` as etcd prints it, `choices` where only some words are allowed."""

    name: str
    kind: Kind
    default: str
    meaning: str
    standing: Standing = Standing.SUPPORTED
    remark: str = ""
    choices: tuple[str, ...] = ()
    etcd_says: str = ""
    """What etcd itself writes into its log when the flag is given; people and tools look for it."""

    @property
    def variable(self) -> str:
        """The environment variable of the same meaning."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """The environment variable that etcd reads for the flag `name`."""
    return "ETCD_" + name.upper().replace("-", "_")
