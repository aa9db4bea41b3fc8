"""Hostile values for everything that decodes, prints, compares, exports and audits Kubernetes objects.

    python -m tests.kubernetes_fuzz --seconds 3600 --seed 7        run as long, print a line per round and what went wrong

A round takes values of the real clusters in `tests/data/kubernetes` and spoils them: cut off, bytes turned, spliced, lengths
that lie, wrong types, text that is not UTF-8, objects of 1.5 MiB, nesting without end, JSON with a part replaced by
something else. Whatever comes out is given to everything above. Allowed is any labelled answer; an exception, more than
`SECONDS` for one value, or more than `MEMORY` in all is a bug. The same seed makes the same values.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backstay.cli.render import object_changes
from backstay.cli.render.json_output import json_text
from backstay.formats.mvcc import KeyValue
from backstay.kube.audit import Audit, Terms
from backstay.kube.compare import Change, ObjectChange, shown
from backstay.kube.compare.sets import differences
from backstay.kube.decode import ObjectDecoder
from backstay.kube.encryption import read_configuration
from backstay.kube.exporting import Surroundings, applicable, left_out, sort_key
from backstay.kube.keys import Layout
from backstay.kube.printing.json_text import compact_json, json_of
from backstay.kube.printing.yaml_text import yaml_of
from backstay.kube.redaction import is_secret, redact
from backstay.kube.release import Release
from backstay.kube.tracing import Story, is_ready
from backstay.kube.values import KubernetesObject
from backstay.sources import Selection, open_source
from tests import kubernetes_cases

SECONDS = 20
MEMORY = 2 << 30
ROUND = 400
_CASES = ("k1.37.2", "k1.37.2-cbor", "k1.37.2-raw", "k1.30.14", "k1.37.2-mixed")
_LARGE = 3 << 19
_DEEP = 60_000
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 62, 10**400, 1.5, -0.0, "", "\x00\x1b[2J", "\ud800", "a" * 5000, "9" * 5000, "\u202e", "1e999999999",
    "0.0000000001n", "-5Ki", [], {}, [[]], [None], {"": None}, {"name": None}, [{"name": []}], [{"name": "x"}] * 3,
    {"metadata": []}, "2026-13-45T99:99:99Z", [1, "1", 1.0, True],
)  # fmt: skip


def corpus() -> list[KeyValue]:
    """The values of real clusters, the same in every run."""
    items: list[KeyValue] = []
    with tempfile.TemporaryDirectory() as directory:
        for name in _CASES:
            case = kubernetes_cases.case(name, Path(directory))
            with open_source(str(case.snapshot)) as source:
                items += source.items(Selection())
    return items


class Spoiler:
    """Makes hostile values of good ones."""

    def __init__(self, items: list[KeyValue], seed: int) -> None:
        self._items = items
        self._random = random.Random(seed)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._cut, self._turn, self._turn, self._splice, self._repeat, self._lie, self._json, self._json, self._json,
            self._deep, self._large,
        )  # fmt: skip
        self._decoder = ObjectDecoder(Layout(), Release(1, 37))

    def items(self, count: int) -> Iterator[tuple[KeyValue, KeyValue]]:
        """`count` pairs of a good item and the hostile one that was made of it."""
        chances = self._random
        for _ in range(count):
            good = chances.choice(self._items)
            value = good.value
            for _ in range(chances.choice((1, 1, 1, 2, 5))):
                way = chances.choice(self._ways)
                if way == self._json and not value.startswith(b"{"):
                    decoded = self._decoder.decode(good)
                    if decoded.json is None:
                        continue
                    value = json.dumps(decoded.json).encode()
                value = way(value) if value else value
            key = good.key if chances.random() < 0.9 else chances.choice(self._items).key
            if chances.random() < 0.02:
                key = self._turn(key)
            yield good, good._replace(key=key, value=value, mod_revision=good.mod_revision + 1)

    def _cut(self, value: bytes) -> bytes:
        return value[: self._random.randrange(len(value))]

    def _turn(self, value: bytes) -> bytes:
        changed = bytearray(value)
        for _ in range(self._random.choice((1, 1, 2, 8))):
            changed[self._random.randrange(len(changed))] = self._random.choice(
                (0, 255, 0x80, self._random.randrange(256))
            )
        return bytes(changed)

    def _splice(self, value: bytes) -> bytes:
        other = self._random.choice(self._items).value
        return value[: self._random.randrange(len(value) + 1)] + other[self._random.randrange(len(other) + 1) :]

    def _repeat(self, value: bytes) -> bytes:
        start = self._random.randrange(len(value))
        end = min(len(value), start + self._random.randrange(1, 200))
        return value[:end] + value[start:end] * self._random.choice((1, 3, 100)) + value[end:]

    def _lie(self, value: bytes) -> bytes:
        at = self._random.randrange(len(value))
        return (
            value[:at]
            + self._random.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\x80" * 20))
            + value[at:]
        )

    def _deep(self, value: bytes) -> bytes:
        kind = self._random.randrange(4)
        if kind == 0:
            return b'{"kind":"ConfigMap","apiVersion":"v1","data":' + b"[" * _DEEP + b"]" * _DEEP + b"}"
        if kind == 1:
            return b'{"a":' * 900 + b"1" + b"}" * 900
        if kind == 2:
            return b"\xd9\xd9\xf7" + b"\x81" * _DEEP
        inner = b""
        for _ in range(200):
            inner = b"\x0a" + _varint(len(inner)) + inner
        return value[:40] + inner

    def _large(self, value: bytes) -> bytes:
        return (value * (_LARGE // len(value) + 1))[:_LARGE] if self._random.random() < 0.1 else value

    def _json(self, value: bytes) -> bytes:
        """The document with a part of it replaced by something else."""
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return value
        holder, name = None, None
        part: Any = document
        for _ in range(self._random.randrange(1, 9)):
            if isinstance(part, dict) and part:
                holder, name = part, self._random.choice(sorted(part))
            elif isinstance(part, list) and part:
                holder, name = part, self._random.randrange(len(part))
            else:
                break
            part = holder[name]
        if holder is not None:
            holder[name] = self._random.choice(_ODD)
        return json.dumps(document).encode()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Examiner:
    """Does everything with a value that backstay does with an object."""

    def __init__(self) -> None:
        path = kubernetes_cases.ROOT / "k1.37.2-mixed" / "encryption-3.yaml"
        decryption = read_configuration(path.read_text(), str(path))
        self._decoders = [
            ObjectDecoder(Layout(), Release(1, 37), decryption),
            ObjectDecoder(Layout(), Release(1, 30)),
        ]
        self._uses = tuple(_uses())

    def examine(self, good: KeyValue, hostile: KeyValue) -> None:
        """Raises whatever was not foreseen."""
        for decoder in self._decoders:
            before, after = decoder.decode(good), decoder.decode(hostile)
            for use in self._uses:
                use(before, after)


def _uses() -> Iterator[Callable[[KubernetesObject, KubernetesObject], object]]:
    """What there is to do with an object, and with two."""
    yield lambda before, after: redact(after)
    yield lambda before, after: (json_of(after.json), compact_json(after.json), yaml_of(after.json))
    yield _compare
    yield _export
    yield _audit
    yield _trace


def _compare(before: KubernetesObject, after: KubernetesObject) -> None:
    fields = differences(before, after)
    change = ObjectChange(Change.CHANGED, after.identity, before, after, fields)
    for each in (change, shown(change), shown(ObjectChange(Change.CHANGED, after.identity, after, before, fields))):
        lines = [*object_changes.change_lines(each, True)]
        if after.mod_revision % 8 == 0:  # YAML takes its time
            lines += object_changes.change_patch(each, False)
        text = json_text(object_changes.change_plain(each), pretty=False) + "".join(lines)
        text.encode()
    hidden = repr(shown(change)) if is_secret(after.identity, after.json) else ""
    data = after.json.get("data") if after.json is not None else None
    for value in data.values() if isinstance(data, dict) and hidden else ():
        assert not isinstance(value, str) or len(value) < 16 or f"'{value}'" not in hidden, "a Secret was shown"


def _export(before: KubernetesObject, after: KubernetesObject) -> None:
    everything = Surroundings(
        exists=lambda *_: True, has_selector=lambda *_: True, lives_in_target=lambda *_: True, has_volume=lambda _: True
    )
    for surroundings in (Surroundings(), everything):
        if left_out(after.identity, after.json, surroundings) is None and after.json is not None:
            ready = applicable(after.identity, after.json, surroundings)
            (yaml_of if after.mod_revision % 8 == 1 else json_of)(ready).encode()
    sort_key(after.identity)


def _audit(before: KubernetesObject, after: KubernetesObject) -> None:
    audit = Audit(Terms(datetime(2026, 11, 25, tzinfo=UTC), Release(1, 37), None))
    audit.see(before)
    audit.see(after)
    audit.see_past(after.identity, after.key, 1, after.text.encode())
    "".join(map(str, audit.findings())).encode()


def _trace(before: KubernetesObject, after: KubernetesObject) -> None:
    story = Story(before.identity._replace(version=""))
    for each in (before, replace(after, key=before.key, version=2)):
        step = story.tell(each.mod_revision, before.key, each)
        repr(step).encode()
        is_ready(story.root)


class TooSlow(Exception):
    """One value took longer than `SECONDS`."""


def _too_slow(*_: object) -> None:
    raise TooSlow


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Rounds until the time is over; status 1 when something went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=ROUND)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    items, examiner = corpus(), Examiner()
    deadline, seed, values, failures = time.monotonic() + options.seconds, options.seed, 0, 0
    slowest = 0.0
    while time.monotonic() < deadline:
        for number, (good, hostile) in enumerate(Spoiler(items, seed).items(options.count)):
            begun = time.monotonic()
            signal.alarm(SECONDS)
            try:
                examiner.examine(good, hostile)
            except Exception:
                failures += 1
                _say(f"FAILED seed {seed} number {number} key {hostile.key!r}")
                _say("".join(traceback.format_exc().splitlines(keepends=True)[-9:]))
            finally:
                signal.alarm(0)
            slowest = max(slowest, time.monotonic() - begun)
            values += 1
        seed += 1
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    _say(
        f"seeds {options.seed}..{seed - 1}: {values} values, {failures} failures, slowest {slowest:.2f} s, {memory} MiB"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
