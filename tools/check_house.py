"""House rules that no ready-made linter knows: `make lint` runs this over every file that git tracks or would track.

* A Python file that nobody can read in one go is refused (length), and so is one that does not say what it is.
* No file names a directory of the machine that it was written on; no lock names a registry.
* Below `cli` nothing prints.

A line that must break the second rule, because it is about such a place, carries the words `house: allow-path`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ("src/backstay/etcd/pb/",)
DATA = ("tests/data/",)
SOFT_SOURCE, HARD_SOURCE = 400, 700
SOFT_TESTS, HARD_TESTS = 600, 1000
ALLOWANCE = "house: allow-path"
MACHINE_PATH = re.compile(r"(?<![\w.~}*-])/(?:work|root|home/[a-z][\w-]*)/[\w.]")
ADDRESS = re.compile(r"https?://|^\s*--(?:index-url|extra-index-url|find-links)")
IGNORED_WITHOUT_GIT = ("dist", "build", "__pycache__")


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """One broken rule; a warning does not fail the check."""

    path: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        kind = "warning: " if self.warning else ""
        return f"{self.path}:{self.line}: {kind}{self.message}"


def main(root: Path = ROOT) -> int:
    """Check every file and print what was found."""
    breaches = sorted(breach for path in project_files(root) for breach in check_file(root, path))
    for breach in breaches:
        print(breach)
    return 1 if any(not breach.warning for breach in breaches) else 0


def project_files(root: Path) -> list[str]:
    """What git tracks or would track; in an unpacked sdist, without git, everything that is not hidden or built."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(listing, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return sorted(name for name in done.stdout.split("\0") if name and (root / name).is_file())
    except FileNotFoundError:
        pass
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in found
        if not any(part.startswith(".") or part in IGNORED_WITHOUT_GIT for part in path.parts)
    )


def check_file(root: Path, path: str) -> Iterator[Breach]:
    """All breaches of one file."""
    try:
        content = (root / path).read_bytes()
    except OSError:
        return  # another program removed it meanwhile
    if b"\0" in content[:8192]:
        return
    text = content.decode("utf-8", errors="replace")
    yield from check_paths(path, text)
    if path.endswith(".lock"):
        yield from check_lock(path, text)
    if path.endswith(".py") and not path.startswith(GENERATED + DATA):
        yield from check_length(path, text)
        yield from check_python(path, text)


def check_paths(path: str, text: str) -> Iterator[Breach]:
    """No machine's own directories."""
    for number, line in enumerate(text.splitlines(), start=1):
        if (found := MACHINE_PATH.search(line)) and ALLOWANCE not in line:
            yield Breach(path, number, f"names a directory of one machine: `{found[0]}...`")


def check_lock(path: str, text: str) -> Iterator[Breach]:
    """A lock says what, never from where."""
    for number, line in enumerate(text.splitlines(), start=1):
        if ADDRESS.search(line):
            yield Breach(path, number, "a lock must not name a registry")


def check_length(path: str, text: str) -> Iterator[Breach]:
    """Soft and hard limits of a file's length."""
    soft, hard = (SOFT_TESTS, HARD_TESTS) if path.startswith("tests/") else (SOFT_SOURCE, HARD_SOURCE)
    lines = text.count("\n")
    if lines > hard:
        yield Breach(path, hard, f"{lines} lines, at most {hard}: split it")
    elif lines > soft:
        yield Breach(path, soft, f"{lines} lines, better at most {soft}", warning=True)


def check_python(path: str, text: str) -> Iterator[Breach]:
    """A docstring for the module, and no printing below `cli`."""
    try:
        tree = ast.parse(text, filename=path)
    except SyntaxError as error:
        yield Breach(path, error.lineno or 1, f"does not parse: {error.msg}")
        return
    if tree.body and ast.get_docstring(tree) is None:
        yield Breach(path, 1, "the module does not say what it is: give it a docstring")
    if path.startswith("src/") and PurePosixPath(path).parts[2:3] != ("cli",):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield Breach(path, node.lineno, "only `cli` prints")


if __name__ == "__main__":
    sys.exit(main())
