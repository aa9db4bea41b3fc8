"""Real clusters' snapshots in `tests/data/kubernetes`, and what their API servers said of every object (see its README.md).

case = kubernetes_cases.case("k1.37.2-mixed", tmp_path)
case.snapshot                          the unpacked file
case.lines()                           one dictionary per key: `key`, `modRevision`, `json`, ...
case.is_compared(line)                 whether `json` is the stored form as the server prints it
case.excepted(key)                     paths that the server changes while reading
case.encryption                        the options that open it
"""

from __future__ import annotations

import functools
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent / "data" / "kubernetes"
NAMES = tuple(sorted(path.parent.name for path in ROOT.glob("*/snapshot.db.xz")))

_CONFIGURATIONS = ("encryption-3.yaml", "encryption.yaml")
"""The first that exists opens everything."""


@dataclass(frozen=True)
class Case:
    """One snapshot and its answers."""

    name: str
    snapshot: Path

    @property
    def directory(self) -> Path:
        return ROOT / self.name

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "case.json").read_bytes())
        return found

    @property
    def encryption(self) -> list[str]:
        options: list[str] = []
        for name in _CONFIGURATIONS:
            if (self.directory / name).exists():
                options = ["--encryption-config", str(self.directory / name)]
                break
        keys = self.directory / "kms-keys.json"
        return [*options, "--kms-keys", str(keys)] if keys.exists() else options

    def lines(self) -> Iterator[dict[str, Any]]:
        with lzma.open(self.directory / "objects.jsonl.xz") as file:
            yield from map(json.loads, file)

    def is_compared(self, line: dict[str, Any]) -> bool:
        """Whether the server's JSON is that of the stored version; CRDs are, in the form in which they are served."""
        is_converted = "not served" in line.get("note", "") and line["storedKind"] != "CustomResourceDefinition"
        return line["json"] is not None and not is_converted

    @functools.cached_property
    def _excepted(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for each in json.loads((self.directory / "read-differences.json").read_bytes()):
            for key in each["keys"]:
                found.setdefault(key, set()).add(each["path"])
        return found

    def excepted(self, key: str) -> set[str]:
        return self._excepted.get(key, set())


def case(name: str, directory: Path) -> Case:
    """The case `name`, its snapshot unpacked into `directory`."""
    path = directory / f"{name}.db"
    if not path.exists():
        path.write_bytes(lzma.decompress((ROOT / name / "snapshot.db.xz").read_bytes()))
    return Case(name, path)


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """The paths at which two JSON values differ, lists written as `[]`; integers are compared exactly."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in ours.keys() | theirs.keys():
            if name in ours and name in theirs:
                yield from differences(ours[name], theirs[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield path
            return
        for mine, other in zip(ours, theirs, strict=True):
            yield from differences(mine, other, f"{path}[]")
    elif ours != theirs or isinstance(ours, bool) != isinstance(theirs, bool):
        yield path
