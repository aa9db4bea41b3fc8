"""What the tests of etcd find under the name `etcd`: starts of one-member stores go to `backstay serve`, the rest to etcd.

    python -I -S shim.py SETTINGS.json FLAGS...       SETTINGS: {"etcd": FILE, "own": COMMAND or null, "journal": FILE}

It becomes the program it has chosen (the same process, so that signals and exit codes are the program's own), after a
line of JSON to the journal: pid, name, members, server. Standard library only, and it must start fast.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

FOREIGN_COMMANDS = ("gateway", "grpc-proxy", "version", "help")
FOREIGN_FLAGS = (
    "discovery",
    "discovery-endpoints",
    "discovery-token",
    "discovery-srv",
    "force-new-cluster",
    "version",
    "help",
    "h",
)
"""What is no start of a member, or the start of one that finds others."""


def flags_of(words: Sequence[str]) -> dict[str, str]:
    """Flag -> value of a command line in etcd's form: `--flag=value`, `--flag value`, and `--flag` for true."""
    flags: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals:
            takes_next = position < len(words) and not words[position].startswith("-")
            value = words[position] if takes_next else "true"
            position += takes_next
        flags[name] = value
    return flags


def members_of(words: Sequence[str]) -> int:
    """How many members the store has that these words start; 0 when they start none, or we cannot know."""
    if words and words[0] in FOREIGN_COMMANDS:
        return 0
    flags = flags_of(words)
    if any(flags.get(name, "false") != "false" for name in FOREIGN_FLAGS):
        return 0
    text = flags.get("initial-cluster", "")
    if path := flags.get("config-file"):
        text = _line_of(path, "initial-cluster") or text
    named = len({pair.partition("=")[0] for pair in text.split(",") if pair})
    joins = flags.get("initial-cluster-state") == "existing"
    return max(named, 2) if joins else max(named, 1)


def _line_of(path: str, key: str) -> str:
    """The value of a line of a configuration file; empty when there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip().strip("'\"")
    return ""


def main(arguments: list[str]) -> None:
    """Choose, write it down, become it."""
    settings = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    words = arguments[1:]
    members = members_of(words)
    own = settings["own"] if members == 1 else None
    if members:
        entry = {
            "pid": os.getpid(),
            "name": flags_of(words).get("name", ""),
            "members": members,
            "server": "backstay" if own else "etcd",
            "words": words,
        }
        with Path(settings["journal"]).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(entry) + "\n")
    command = [*own, *words] if own else [settings["etcd"], *words]
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
