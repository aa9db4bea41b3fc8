"""`python -m bench`: measure, print the table, and with --write make docs/performance.md of it.

Needs the peers of `make peers`, Linux, about 5 GiB of disk beside the cache, and a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys

from bench import cells, stores, table
from bench.document import DOCUMENT, put_head
from tests import peers
from tests.peers import Peer

SIZES = {"100MiB": 100 * stores.MIB, "1GiB": stores.GIB}


def main(arguments: list[str]) -> int:
    """Measure what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sizes", default=",".join(SIZES), help="of 100MiB,1GiB")
    parser.add_argument("--cells", default=",".join(cells.CELLS), help=f"of {','.join(cells.CELLS)}")
    parser.add_argument("--runs", type=int, default=5, help="of each command; the table gives medians")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name}")
    chosen = parser.parse_args(arguments)
    peer = newest_peer()
    if peer is None or not sys.platform.startswith("linux"):
        print("bench needs Linux and a release of etcd with etcdutl; `make peers` installs them")
        return 1
    directory = stores.cache_directory()
    bench = cells.Bench(peer, directory, chosen.runs)
    measured_stores = []
    for size in chosen.sizes.split(","):
        print(f"preparing the store of {size}", file=sys.stderr)
        store = stores.prepare(SIZES[size], directory)
        measured_stores.append(store)
        for cell in chosen.cells.split(","):
            print(f"measuring {cell} on {size}", file=sys.stderr)
            bench.rows.extend(cells.CELLS[cell](bench, store))
    document = table.render(bench.rows, measured_stores, str(peer), chosen.runs)
    print(document)
    if chosen.write:
        put_head(document)
    return 0


def newest_peer() -> Peer | None:
    """The newest release that is here, with its etcdutl."""
    found = [peer for version in peers.VERSIONS if isinstance(peer := peers.find(version), Peer) and peer.etcdutl]
    return max(found, key=lambda peer: [int(part) for part in peer.version.split(".")], default=None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
