"""Looking at Kubernetes objects, measured: `python -m bench.kubernetes [--scale S] [--write]`.

    listing    names, kinds and sizes of every object, in a process that has just started
    get        one object of the store by a command of its own, the file in the kernel's cache
    decode     typed protobuf to JSON: the real objects of a 1.37 cluster, again and again
    read       every object of the store, decoded
    diff       what differs between two such stores that differ in one object of a hundred
    memory     private bytes of the process after listing, and after reading everything

Rates are objects per second of processor time, which a busy machine changes least. Linux only; the store (1 GiB times the
scale) stays in the cache directory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench import kubernetes_store
from bench.document import DOCUMENT, put_section
from bench.measure import run
from bench.stores import cache_directory

GOALS = {"listing": 200_000, "decode": 5_000, "get": 0.6, "private": 300, "diff": 3.0}
_DECODE_SECONDS = 3.0


def main(arguments: list[str]) -> int:
    """Measure; with --measure be the process that is measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.kubernetes", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of 1 GiB")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    parser.add_argument("--measure", choices=("listing", "decode", "read", "diff"), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        print(json.dumps(_measured(chosen.measure, chosen.store)))
        return 0
    path = kubernetes_store.prepare(int(kubernetes_store.GIB * chosen.scale), cache_directory())
    path.read_bytes()  # into the kernel's cache
    found = {name: _in_a_process(name, path) for name in ("listing", "decode", "read")}
    other = kubernetes_store.prepare(int(kubernetes_store.GIB * chosen.scale), cache_directory(), changed=True)
    other.read_bytes()
    difference = _in_a_process("diff", path)
    get = run([sys.executable, "-m", "backstay", "kube", "get", path, *_an_object(path), "-o", "json"])
    document = _table(path, found, get.seconds, get.processor_seconds, difference)
    print(document)
    if chosen.write:
        put_section("kubernetes", document)
    return 0


def _in_a_process(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.kubernetes", "--measure", name, "--store", str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _an_object(path: Path) -> list[str]:
    from backstay.sources import open_source
    from backstay.sources.objects import open_objects

    with open_objects(open_source(str(path))) as objects:
        heads = [head.identity for head in objects.heads() if head.identity.resource == "pods"]
    middle = heads[len(heads) // 2]
    return ["pod", middle.name, "-n", middle.namespace]


def _measured(name: str, path: Path) -> dict[str, float]:
    from backstay.sources import open_source
    from backstay.sources.objects import open_objects

    if name == "decode":
        return _decode()
    if name == "diff":
        return _diff(path)
    begun, count, size = time.process_time(), 0, 0
    with open_objects(open_source(str(path))) as objects:
        for head in objects.heads() if name == "listing" else ():
            count, size = count + 1, size + (head.size or 0)
        for each in objects.objects() if name == "read" else ():
            count, size = count + 1, size + each.size
        seconds = time.process_time() - begun
        return {"objects": count, "bytes": size, "seconds": seconds, "private": _private_bytes()}


def _diff(path: Path) -> dict[str, float]:
    from backstay.sources import open_source
    from backstay.sources.objects import open_objects
    from backstay.sources.objects.changes import changes

    begun = time.process_time()
    other = path.with_name(f"{path.stem}-changed{path.suffix}")
    with open_objects(open_source(str(path))) as before, open_objects(open_source(str(other))) as after:
        count = sum(1 for _ in changes(before, after))
        return {"objects": count, "seconds": time.process_time() - begun, "private": _private_bytes()}


def _decode() -> dict[str, float]:
    from backstay.kube.decode import ValueDecoder
    from backstay.kube.decode.plan import Plans
    from backstay.kube.release import Release
    from backstay.kube.schema import shipped_table

    values = [value for value in kubernetes_store.templates()[""] if value.startswith(b"k8s\x00")]
    decoder = ValueDecoder(Plans(shipped_table(), Release(1, 37)))
    begun, count, size = time.process_time(), 0, 0
    while time.process_time() - begun < _DECODE_SECONDS:
        for value in values:
            decoder.decode(value)
        count, size = count + len(values), size + sum(map(len, values))
    return {"objects": count, "bytes": size, "seconds": time.process_time() - begun, "private": _private_bytes()}


def _private_bytes() -> int:
    """The memory that is this process's own now; pages of files, which the kernel takes back when it wants, do not count."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def _table(
    path: Path, found: dict[str, dict[str, float]], get_seconds: float, get_processor: float, diff: dict[str, float]
) -> str:
    rows = [
        "| what | objects/s of processor time | MB/s | private MiB | goal |",
        "|---|---|---|---|---|",
    ]
    goals = {"listing": f"≥ {GOALS['listing']:,}/s, ≤ {GOALS['private']} MiB", "decode": f"≥ {GOALS['decode']:,}/s"}
    words = {
        "listing": "list names, kinds, sizes",
        "decode": "typed decode, real objects",
        "read": "read and decode everything",
    }
    for name, each in found.items():
        rate, speed = each["objects"] / each["seconds"], each["bytes"] / each["seconds"] / 1e6
        goal = goals.get(name, f"≤ {GOALS['private']} MiB")
        rows.append(f"| {words[name]} | {rate:,.0f} | {speed:,.0f} | {each['private'] / (1 << 20):.0f} | {goal} |")
    size, count = path.stat().st_size / (1 << 30), found["listing"]["objects"]
    return (
        f"## Kubernetes objects\n\nA store of {size:.2f} GiB with {count:,.0f} objects; "
        f"the machine had a load of {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors.\n\n"
        + "\n".join(rows)
        + "\n\n"
        f"`kube get` of one Pod of that store, whole process: {get_seconds:.2f} s, of which {get_processor:.2f} s of the "
        f"processor (goal: ≤ {GOALS['get']} s).\n\n"
        f"`kube diff` of two such stores, {diff['objects']:,.0f} objects of which differ: {diff['seconds']:.1f} s of the "
        f"processor, {diff['private'] / (1 << 20):.0f} MiB private (goals: ≤ {GOALS['diff']:.0f} s, ≤ {GOALS['private']} MiB)."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
