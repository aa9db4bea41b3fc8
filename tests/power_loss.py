"""A disk whose power can be cut after every durable step: what reached the platters is known, everything else is doubtful.

    disk = RecordedDisk(root); ... work ...; for image in images(disk, place, seed): open image.directory

A `RecordedDisk` really works in `root` and writes down each step. `images` replays the steps up to each one and lays down
what a machine may find afterwards: file bytes that were not synced are there, gone, or torn by sectors in any mixture;
names that were not synced with their directory are there or not, in the order in which they were given.
"""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backstay.store.durable import LocalStoreDisk, StoreOptions, checkpoint, open_store
from backstay.store.durable.checkpoint_child import build_database
from tests.storing import put

SECTOR = 512
OPTIONS = StoreOptions(segment_size=2048)
"""Segments that end after ten writes."""

Buffers = Sequence[bytes | bytearray | memoryview]
VARIANTS = ("everything", "nothing", "torn", "torn-again")


@dataclass(slots=True, eq=False)
class _File:
    durable: bytes = b""
    current: bytes = b""


@dataclass(slots=True, eq=False)
class _Folder:
    durable: dict[str, _Node] = field(default_factory=dict)
    current: dict[str, _Node] = field(default_factory=dict)
    pending: list[dict[str, _Node]] = field(default_factory=list)
    """The content after each change that was not synced, in order."""

    def change(self) -> None:
        self.pending.append(dict(self.current))


_Node = _File | _Folder


@dataclass(frozen=True, slots=True)
class Image:
    """What may be found after the power was cut behind step `step`."""

    step: int
    name: str
    variant: str
    acknowledged: int
    directory: Path


class RecordedDisk(LocalStoreDisk):
    """Works in `root` and remembers every step. `acknowledged` is the caller's count of what it was told is durable."""

    def __init__(self, root: Path) -> None:
        self.acknowledged = 0
        self.steps: list[tuple[str, tuple[object, ...], int]] = []
        self._root = root
        self._paths: dict[int, int] = {}  # descriptor -> number of the file
        self._numbers: dict[str, int] = {}  # path -> number of the file
        self._next = 0

    def note(self, kind: str, *what: object) -> None:
        """Remember one step, with what had been acknowledged before it."""
        self.steps.append((kind, what, self.acknowledged))

    def create(self, path: Path, mode: int) -> int:
        descriptor = super().create(path, mode)
        self._next += 1
        self._paths[descriptor] = self._numbers[self._name(path)] = self._next
        self.note("create", self._name(path), self._next)
        return descriptor

    def open(self, path: Path) -> int:
        descriptor = super().open(path)
        self._paths[descriptor] = self._numbers[self._name(path)]
        return descriptor

    def write(self, descriptor: int, buffers: Buffers) -> None:
        offset = os.lseek(descriptor, 0, os.SEEK_CUR)
        super().write(descriptor, buffers)
        self.note("write", self._paths[descriptor], offset, b"".join(buffers))

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        super().write_at(descriptor, data, offset)
        self.note("write", self._paths[descriptor], offset, data)

    def allocate(self, descriptor: int, size: int) -> None:
        super().allocate(descriptor, size)
        self.note("allocate", self._paths[descriptor], size)

    def truncate(self, descriptor: int, size: int) -> None:
        super().truncate(descriptor, size)
        self.note("truncate", self._paths[descriptor], size)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.note("sync", self._paths[descriptor])

    def sync_data(self, descriptor: int) -> None:
        super().sync_data(descriptor)
        self.note("sync", self._paths[descriptor])

    def make_directory(self, path: Path, mode: int) -> None:
        super().make_directory(path, mode)
        self.note("mkdir", self._name(path))

    def publish(self, temporary: Path, final: Path) -> None:
        super().publish(temporary, final)
        self._renamed(temporary, final)

    def replace(self, temporary: Path, final: Path) -> None:
        super().replace(temporary, final)
        self._renamed(temporary, final)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.note("remove", self._name(path))

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self.note("sync_directory", self._name(path))

    def _renamed(self, temporary: Path, final: Path) -> None:
        before, after = self._name(temporary), self._name(final)
        moved = {
            name: number for name, number in self._numbers.items() if name == before or name.startswith(before + "/")
        }
        for name, number in moved.items():
            del self._numbers[name]
            self._numbers[after + name[len(before) :]] = number
        self.note("rename", before, after)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if path != self._root else ""


class _Machine:
    """The file system as the steps leave it: what programs see, and what is on the platters."""

    def __init__(self) -> None:
        self.root = _Folder()
        self.files: dict[int, _File] = {}

    def take(self, kind: str, what: tuple[object, ...]) -> None:
        getattr(self, f"_{kind}")(*what)

    def folder(self, name: str) -> _Folder:
        found: _Node = self.root
        for part in name.split("/") if name else ():
            assert isinstance(found, _Folder)
            found = found.current[part]
        assert isinstance(found, _Folder)
        return found

    def _split(self, name: str) -> tuple[_Folder, str]:
        place, _, last = name.rpartition("/")
        return self.folder(place), last

    def _create(self, name: str, number: int) -> None:
        place, last = self._split(name)
        self.files[number] = place.current[last] = _File()
        place.change()

    def _mkdir(self, name: str) -> None:
        place, last = self._split(name)
        place.current[last] = _Folder()
        place.change()

    def _write(self, number: int, offset: int, data: bytes) -> None:
        file = self.files[number]
        padded = file.current.ljust(offset, b"\0")
        file.current = padded[:offset] + data + padded[offset + len(data) :]

    def _allocate(self, number: int, size: int) -> None:
        file = self.files[number]
        file.current = file.current.ljust(size, b"\0")

    def _truncate(self, number: int, size: int) -> None:
        self.files[number].current = self.files[number].current[:size]

    def _sync(self, number: int) -> None:
        self.files[number].durable = self.files[number].current

    def _rename(self, before: str, after: str) -> None:
        (source, old), (target, new) = self._split(before), self._split(after)
        target.current[new] = source.current.pop(old)
        target.change()
        if source is not target:
            source.change()

    def _remove(self, name: str) -> None:
        place, last = self._split(name)
        del place.current[last]
        place.change()

    def _sync_directory(self, name: str) -> None:
        place = self.folder(name)
        place.durable, place.pending = dict(place.current), []


class FastDisk(LocalStoreDisk):
    """Syncs nothing: for opening images, which nobody keeps."""

    def sync(self, descriptor: int) -> None:
        """Nothing waits."""

    def sync_data(self, descriptor: int) -> None:
        """Nothing waits."""

    def sync_directory(self, path: Path) -> None:
        """Nothing waits."""


def images(
    disk: RecordedDisk, place: Path, *, steps: Collection[int] | None = None, variants: Sequence[str] = VARIANTS
) -> Iterator[Image]:
    """The images after each step (or those in `steps`), in each of `variants`. The caller removes what it has seen."""
    machine = _Machine()
    for step, (kind, what, acknowledged) in enumerate(disk.steps):
        machine.take(kind, what)
        if steps is not None and step not in steps:
            continue
        for variant in variants:
            directory = place / f"{step}-{variant}"
            directory.mkdir()
            _lay_down(machine.root, directory, variant, random.Random(f"{step} {variant}"))
            yield Image(step, f"{kind} {what[0]}", variant, acknowledged, directory)


def _lay_down(folder: _Folder, place: Path, variant: str, chance: random.Random) -> None:
    if variant == "everything":
        found = folder.current
    elif variant == "nothing":
        found = folder.durable
    else:
        found = chance.choice([folder.durable, *folder.pending])
    for name, node in found.items():
        if isinstance(node, _Folder):
            (place / name).mkdir(mode=0o700)
            _lay_down(node, place / name, variant, chance)
        else:
            (place / name).write_bytes(_bytes_of(node, variant, chance))


def _bytes_of(file: _File, variant: str, chance: random.Random) -> bytes:
    if variant == "everything" or file.current == file.durable:
        return file.current
    if variant == "nothing":
        return file.durable
    size = chance.choice([len(file.durable), len(file.current)])
    parts = []
    for start in range(0, size, SECTOR):
        chosen = chance.choice([file.durable, file.current])
        parts.append(chosen[start : start + SECTOR].ljust(min(SECTOR, size - start), b"\0"))
    return b"".join(parts)


def live(disk: RecordedDisk, root: Path) -> None:
    """The life that is cut off: founding, writing over several segments, two checkpoints."""
    store = open_store(root / "data", disk=disk, options=OPTIONS)

    def write(count: int) -> None:
        for _ in range(count):
            put(store, f"key-{disk.acknowledged:04}", "value" * 30)
            disk.acknowledged += 1

    write(15)
    checkpoint(store, build=build_database)
    write(15)
    checkpoint(store, build=build_database)
    write(3)
    store.close()
