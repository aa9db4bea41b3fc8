"""The process beside a backup: `python -m backstay.jobs.backup.computing_child SNAPSHOT`; the pickled result on standard output.

It only reads. Its status is 1 where the snapshot cannot be read; who started it then finds out why by itself. When that process
dies, it dies too.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from pathlib import Path

from backstay.errors import BackstayError
from backstay.jobs.backup.computing import compute
from backstay.snapshot.opened import open_file


def end_with_parent() -> None:
    """Wait until the process that wanted this is gone, and go too: it holds the other end of standard input."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main(path: str) -> int:
    """Compute; the exit status."""
    try:
        with open_file(Path(path)) as store:
            computed = compute(store)
    except (BackstayError, OSError):
        return 1
    sys.stdout.buffer.write(pickle.dumps(computed, protocol=5))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(main(sys.argv[1]))
