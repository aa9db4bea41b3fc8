"""What a recovery has done, so durably that another process can go on or take it back.

    /var/lib/backstay/recover/                  below the host's root, 0700
      lock                                      held (flock) by the process that works
      20261124T183000Z/journal.jsonl            one JSON object a line, synced one by one

    {"kind": "plan", "at": "...", "plan": {...}}
    {"kind": "began", "at": "...", "step": "stop"}
    {"kind": "done", "at": "...", "step": "stop", "seconds": 3.2, "result": {...}}
    {"kind": "failed", "at": "...", "step": "etcd", "why": "..."}
    {"kind": "finished", "at": "...", "report": {...}}
    {"kind": "rolling-back", "at": "..."}
    {"kind": "old-data-back", "at": "..."}
    {"kind": "rolled-back", "at": "..."}

A last line without its line break was being written when the power went: it never happened. Called by `recovery` only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.clock import Clock
from backstay.cluster.host import Host
from backstay.durable import Disk, translated, write_durable
from backstay.jobs.recover.plan import RecoverPlan, plan_from_json, plan_to_json

DIRECTORY = "/var/lib/backstay/recover"
_NAME = "journal.jsonl"
_MODE = 0o700


class Journal:
    """The journal of one recovery, open for more lines."""

    def __init__(self, path: Path, lines: list[dict[str, Any]], disk: Disk, clock: Clock) -> None:
        self.path = path
        self.plan: RecoverPlan = plan_from_json(lines[0]["plan"])
        self._lines = lines
        self._disk = disk
        self._clock = clock
        self.after_line: Callable[[str, str], None] = lambda kind, step: None
        """Called when a line is on disk, with its kind and step: where tests kill the process."""

    @property
    def is_finished(self) -> bool:
        """Whether the control plane was brought back."""
        return self._has("finished")

    @property
    def is_rolling_back(self) -> bool:
        """Whether it is being taken back: then it can only be taken back."""
        return self._has("rolling-back")

    @property
    def is_rolled_back(self) -> bool:
        """Whether it was taken back whole."""
        return self._has("rolled-back")

    @property
    def has_old_data_back(self) -> bool:
        """Whether a rollback has moved the old directories back: from then on the names do not tell any more."""
        return self._has("old-data-back")

    @property
    def began(self) -> datetime:
        """When the recovery began: after the confirmation."""
        return datetime.fromisoformat(self._lines[0]["at"])

    def ended(self, step: str) -> datetime | None:
        """When `step` was done, None while it is not."""
        times = [line["at"] for line in self._lines if line["kind"] == "done" and line["step"] == step]
        return datetime.fromisoformat(times[-1]) if times else None

    def has_begun(self, step: str) -> bool:
        """Whether anything of `step` may have happened."""
        return any(line["kind"] == "began" and line["step"] == step for line in self._lines)

    def result(self, step: str) -> Mapping[str, Any] | None:
        """What `step` left for later ones, None while it is not done."""
        for line in reversed(self._lines):
            if line["kind"] == "done" and line["step"] == step:
                result: Mapping[str, Any] = line["result"]
                return result
        return None

    def seconds(self) -> dict[str, float]:
        """How long each step took that is done."""
        return {line["step"]: line["seconds"] for line in self._lines if line["kind"] == "done"}

    def add(self, kind: str, **fields: Any) -> None:
        """Append one line; it is on disk when this returns."""
        line = {"kind": kind, "at": self._clock.now().isoformat(), **fields}
        with translated(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, _whole_bytes(descriptor))
                self._disk.write(descriptor, [_encoded(line)])
                self._disk.sync(descriptor)
            finally:
                os.close(descriptor)
        self._lines.append(line)
        self.after_line(kind, fields.get("step", ""))

    def _has(self, kind: str) -> bool:
        return any(line["kind"] == kind for line in self._lines)


@contextlib.contextmanager
def exclusive(host: Host, disk: Disk) -> Iterator[Path]:
    """Hold the lock of this host's recoveries; gives their directory. Raises `RECOVERY_UNFINISHED` when one is at work."""
    directory = host.path(DIRECTORY)
    with translated(directory):
        _make_directories(directory, disk)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.RECOVERY_UNFINISHED.error(
                "a recovery of this host is running now", where=str(directory), next_step="wait until it ends"
            ) from None
        yield directory
    finally:
        os.close(descriptor)


def create(directory: Path, plan: RecoverPlan, disk: Disk, clock: Clock) -> Journal:
    """The journal of a new recovery. Raises `TARGET_EXISTS` where this second has one already."""
    place = directory / plan.id
    with translated(place):
        _make_directories(place, disk)
    line = {"kind": "plan", "at": clock.now().isoformat(), "plan": plan_to_json(plan)}
    write_durable(disk, place / _NAME, _encoded(line))
    return Journal(place / _NAME, [line], disk, clock)


def newest(directory: Path, disk: Disk, clock: Clock) -> Journal | None:
    """The journal of the newest recovery, None where there never was one. Raises `FORMAT_INVALID` for one that is none."""
    found = sorted(directory.glob(f"*/{_NAME}"))
    if not found:
        return None
    path = found[-1]
    try:
        whole = path.read_bytes()
        text = whole[: whole.rfind(b"\n") + 1].decode()
        return Journal(path, [json.loads(line) for line in text.splitlines()], disk, clock)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
        raise errors.FORMAT_INVALID.error(
            "the journal of a recovery cannot be understood",
            where=str(path),
            why=str(problem),
            next_step="another release of backstay may have written it: use that one to resume or roll back",
        ) from problem


def _whole_bytes(descriptor: int) -> int:
    """The size up to the last line break."""
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).rfind(b"\n") + 1


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _make_directories(directory: Path, disk: Disk) -> None:
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        disk.make_directory(each, _MODE)
        disk.sync_directory(each.parent)
