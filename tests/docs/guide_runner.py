"""Runs the sessions of the guide and compares what they print with what the page says.

A session is a fenced `console` block below a comment that names its scene: `<!-- executed: dead-etcd -->`. Each `$ backstay ...`
line is run on a scratch host, with absolute paths taken below its root. A line `...` stands for any lines; numbers, hashes,
times and the width of columns do not count.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SESSION = re.compile(r"<!-- executed: (?P<scene>[\w-]+) -->\n+```console\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
ELISION = "..."
SERVED = "address"
"""In this file below its root a scene names the address of what it serves; a page says `USUAL_ADDRESS`."""
USUAL_ADDRESS = "127.0.0.1:2379"
_NUMBERS = re.compile(r"\b[0-9a-f]*\d[0-9a-f]*\b|\d+")
_UNITS = re.compile(r"# (B|kB|MB|GB)\b")


@dataclass(frozen=True, slots=True)
class Call:
    """One command line of a session and the lines that it shall print."""

    line: str
    expected: tuple[str, ...]

    def arguments(self, root: Path) -> list[str]:
        """What follows `backstay`, with the paths of the host as paths below `root`."""
        _, _, after = self.line.partition("backstay ")
        words = [f"{root}{word}" if _is_path(word) else word for word in shlex.split(after)]
        address = root / SERVED
        if not address.exists():
            return words
        return [word.replace(USUAL_ADDRESS, address.read_text(encoding="utf-8")) for word in words]


@dataclass(frozen=True, slots=True)
class Session:
    """The calls of one block, in order, on one host."""

    page: Path
    scene: str
    calls: tuple[Call, ...]


def sessions(page: Path) -> Iterator[Session]:
    """The executed sessions of a page."""
    for found in SESSION.finditer(page.read_text(encoding="utf-8")):
        yield Session(page, found["scene"], tuple(_calls(found["text"])))


def command_lines(page: Path) -> Iterator[str]:
    """Every line of a fenced block that types a command."""
    is_inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            is_inside = not is_inside
        elif is_inside and line.startswith("$ "):
            yield line[2:]


def difference(expected: tuple[str, ...], printed: str, root: Path) -> str:
    """The first line that the page promises and the command did not print in its place; "" when all fits."""
    actual = [_plain(line) for line in printed.replace(str(root), "").splitlines() if line.strip()]
    wanted = [_plain(line) for line in expected if line.strip()]
    position, may_skip = 0, False
    for line in wanted:
        if line == ELISION:
            may_skip = True
            continue
        places = range(position, len(actual) if may_skip else min(position + 1, len(actual)))
        place = next((each for each in places if actual[each] == line), None)
        if place is None:
            return f"promised: {line}\nprinted:\n" + "\n".join(actual[position:])
        position, may_skip = place + 1, False
    if position < len(actual) and not may_skip:
        return "not on the page: " + actual[position]
    return ""


def _calls(text: str) -> Iterator[Call]:
    line, expected = "", list[str]()
    for each in text.splitlines():
        if each.startswith("$ "):
            if line:
                yield Call(line, tuple(expected))
            line, expected = each[2:], []
        else:
            expected.append(each)
    if line:
        yield Call(line, tuple(expected))


def _is_path(word: str) -> bool:
    """Whether a word is a path of the host; keys of etcd are none."""
    return word.startswith("/") and not word.startswith("/registry")


def _plain(line: str) -> str:
    words = " ".join(line.split())
    return words if words == ELISION else _UNITS.sub("# B", re.sub(r"#(\.#)?", "#", _NUMBERS.sub("#", words)))
