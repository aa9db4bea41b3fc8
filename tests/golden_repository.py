"""Writes a golden repository of the present format; see tests/data/repository/README.md.

python -m tests.golden_repository DIRECTORY
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from backstay.blobs.local import LocalStore
from backstay.clock import SystemClock
from backstay.durable import LocalDisk
from backstay.jobs.points.restore import plan_restore, restore
from backstay.repository.memory import encode_memory
from backstay.telemetry import SilentProgress
from tests.backing_up import small_history
from tests.retaining import Maintained


def write(directory: Path) -> None:
    """Fill `directory`, which must be empty."""
    expected: dict[str, list[dict[str, object]]] = {}
    for name in ("sealed", "plaintext"):
        (directory / name).mkdir()
        place = Maintained(seed=11, plaintext=name == "plaintext", spill=directory, store=LocalStore(directory / name))
        cluster = small_history()
        cluster.put(b"doomed", b"1")
        place.back_up(cluster)
        fork = cluster.copy()
        cluster.delete(b"doomed")
        cluster.write([(b"a", b"new"), (b"b", b"also new"), (b"a/b", None)])
        cluster.compact(cluster.revision)
        place.back_up(cluster)
        cluster.put(b"/registry/pods/one", b"x" * 3000)
        place.back_up(cluster)
        assert place.memory is not None
        memory = replace(place.memory)
        fork.put(b"a", b"another history")
        fork.put(b"b", b"another history")
        fork.put(b"c", b"another history")
        place.back_up(fork)
        place.expire(place.catalogue().points[1:2])
        place.fade(place.catalogue().points[:1])
        assert place.merge().rows == 1
        # The files have this machine's times.
        place.now = place.clock.time = SystemClock().now() + timedelta(days=9)
        assert place.sweep().points
        (directory / f"memory-{name}").write_bytes(encode_memory(memory))
        (directory / "identity").write_text(place.recovery.secret + "\n")
        expected[name] = []
        for point in place.catalogue().points:
            reader, target = place.reader(point), directory / "restored"
            restored = restore(
                reader, plan_restore(reader, target),
                disk=LocalDisk(), clock=SystemClock(), entropy=place.entropy, progress=SilentProgress(),
            )  # fmt: skip
            target.unlink()
            facts = reader.facts
            expected[name].append(
                {
                    "id": point.id,
                    "revision": facts.revision,
                    "hash_kv": facts.hash_kv.hash,
                    "sha256": restored.sha256,
                }
            )
    (directory / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
