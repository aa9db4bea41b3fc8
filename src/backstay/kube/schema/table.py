"""Reading `messages.txt`: one line per message, its words separated by blanks.

    core.v1.CSI 1.21 - 1:name:string:o 2:size:int64:po:1.24 3:tags:{string:o

    message        first release (`-`: the oldest), last release (`-`: still there), then the fields:
    number:json name:type:flags:since:until:was         the end is left out where it is empty

    type           string bytes bool int32 int64 double, a message, or `{` and the type of a map's values
    flags          r repeated   p pointer   o omitempty   z omitzero   i inline
    since, until   first and last release that has the field; none: as the message
    was            1.33=o      the flags up to and including 1.33; several with commas, oldest first

Names are short: `core.v1.Pod` for `k8s.io.api.core.v1.Pod`, `meta.v1.Time` for that of apimachinery. The file is small
enough to be read whole; a message's fields are read when somebody asks for it.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import NamedTuple

from backstay.kube.release import OLDEST, Release

_NEVER = Release(999, 0)
_DIRECTORIES = {
    "": "core",
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
}
"""Where the directory of a group is not the first label of its name."""


class Field(NamedTuple):
    """A field as one release prints it. `type` is the type of the values where `is_map`."""

    number: int
    json: str
    type: str
    is_map: bool
    is_repeated: bool
    is_pointer: bool
    omits_empty: bool
    omits_zero: bool
    is_inline: bool
    is_known: bool
    """False for a field that the release does not have yet or no more: it is printed only where it is stored."""


class Message(NamedTuple):
    """A message and the releases that have it; `until` is None where the newest does."""

    name: str
    since: Release
    until: Release | None
    words: tuple[str, ...]

    def fields(self, release: Release) -> tuple[Field, ...]:
        """Its fields as `release` prints them."""
        return tuple(_field(word, release) for word in self.words)

    def since_of_fields(self) -> dict[int, Release]:
        """The first release of those fields that are younger than their message, by number."""
        found = {}
        for word in self.words:
            parts = word.split(":")
            if len(parts) > 4 and parts[4]:
                found[int(parts[0])] = Release.parse(parts[4])
        return found


class Table:
    """All messages by their short name."""

    def __init__(self, text: str) -> None:
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        self._lines = {line.partition(" ")[0]: line for line in lines}
        self._packages: dict[str, Release] = {}

    def find(self, name: str) -> Message | None:
        """The message `name` (`core.v1.Pod`), None if no release had it."""
        line = self._lines.get(name)
        return _message(line) if line is not None else None

    def names(self) -> tuple[str, ...]:
        """Every message, in the order of the file."""
        return tuple(self._lines)

    def newest(self) -> Release:
        """The newest release that the table knows of anything."""
        return max(max((each.since, *each.since_of_fields().values())) for each in map(self._read, self._lines))

    def package_since(self, package: str) -> Release | None:
        """The first release that has anything of `package` (`resource.v1`), None when none has."""
        if not self._packages:
            for name in self._lines:
                found, since = name.rpartition(".")[0], self._read(name).since
                self._packages[found] = min(since, self._packages.get(found, since))
        return self._packages.get(package)

    def _read(self, name: str) -> Message:
        return _message(self._lines[name])


@functools.cache
def shipped_table() -> Table:
    """The table that came with this release of backstay."""
    return Table(resources.files(__package__).joinpath("messages.txt").read_text("utf-8"))


def message_name(api_version: str, kind: str) -> str:
    """The message of a kind in an apiVersion: `core.v1.Pod` for `v1` and `Pod`."""
    group, slash, version = api_version.rpartition("/")
    directory = _DIRECTORIES.get(group) or group.split(".", 1)[0]
    return f"{directory}.{version if slash else api_version}.{kind}"


def _message(line: str) -> Message:
    name, since, until, *words = line.split(" ")
    return Message(name, _release(since, OLDEST), None if until == "-" else Release.parse(until), tuple(words))


def _field(word: str, release: Release) -> Field:
    number, json, kind, *more = word.split(":")
    flags, since, until, was = (*more, "", "", "", "")[:4]
    for entry in was.split(",") if was else ():
        last, _, old_flags = entry.partition("=")
        if release <= Release.parse(last):
            flags = old_flags
            break
    is_known = _release(since, OLDEST) <= release <= _release(until, _NEVER) or release < OLDEST
    return Field(
        int(number), json, kind.lstrip("{"), kind.startswith("{"), "r" in flags, "p" in flags, "o" in flags,
        "z" in flags, "i" in flags, is_known,
    )  # fmt: skip


def _release(text: str, default: Release) -> Release:
    return Release.parse(text) if text and text != "-" else default
