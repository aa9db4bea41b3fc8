"""`ctl make-mirror`: keep the keys of this etcd in another one, until interrupted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from backstay.cli.ctl.door import Ctl, log_in, say
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag, number, text
from backstay.cli.options import ask_password
from backstay.cli.reach import reach
from backstay.cli.render.etcdctl import go
from backstay.cli.settings import resolve
from backstay.etcd.client import Client
from backstay.etcd.mirror import DEFAULT_OPERATIONS, Mirror
from backstay.values import Revision

REPORT_SECONDS = 30.0


@ctl_command(
    changes=True,
    examples="""
    backstay ctl make-mirror 10.0.0.9:2379
    backstay ctl make-mirror 10.0.0.9:2379 --prefix app/ --dest-prefix copy-of-app/
    """,
)
@arguments("DESTINATION")
@text("--prefix", help="Only keys that begin with this.")
@number("--rev", help="Copy nothing; begin with the changes of this revision.")
@number("--max-txn-ops", default=DEFAULT_OPERATIONS, help="Operations that one transaction may have there.")
@text("--dest-prefix", help="What takes the place of --prefix there; --prefix itself unless given.")
@flag("--no-dest-prefix", help="Nothing takes the place of --prefix there.")
@text("--dest-cacert", help="The CA that signed the destination's certificate.", metavar="FILE")
@text("--dest-cert", help="The client certificate for the destination.", metavar="FILE")
@text("--dest-key", help="Its key.", metavar="FILE")
@text("--dest-user", help="The user of the destination's own authentication.", metavar="NAME[:PASSWORD]")
@text("--dest-password", help="Its password; then --dest-user is the name alone.")
@flag("--dest-insecure-transport", default=True, help="Allow plain text to the destination.")
def command(
    *,
    ctl: Ctl,
    words: tuple[str, ...],
    prefix: str,
    rev: int,
    max_txn_ops: int,
    dest_prefix: str,
    no_dest_prefix: bool,
    dest_insecure_transport: bool,
    **destination: str,
) -> None:
    """Copy the keys to DESTINATION, then write every change there, until interrupted. Prints now and then how many.

    Leases are not carried over, and keys that only DESTINATION has are left alone.
    """
    if len(words) != 1:
        bad_arguments("make-mirror takes one destination argument")
    if no_dest_prefix and dest_prefix:
        bad_arguments("`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one")
    renamed = "" if no_dest_prefix else dest_prefix or prefix
    with ctl.client() as source, _destination(words[0], destination) as target:
        mirror = Mirror(source, target, go.bytes_of(prefix), go.bytes_of(renamed), max(max_txn_ops, 1))
        if ctl.dry_run:
            keys = sum(len(page.items) for page in source.kv.range_pages(mirror.prefix, keys_only=True))
            ctl.plan(f"copy {keys} keys to {words[0]}, and then every change")
            return
        log_in(target)
        _run(mirror, Revision(rev))


def _run(mirror: Mirror, since: Revision) -> None:
    written, is_over = 0, threading.Event()

    def report() -> None:
        while not is_over.wait(REPORT_SECONDS):
            say(str(written))

    reporter = threading.Thread(target=report, name="backstay-mirror", daemon=True)
    reporter.start()
    try:
        if not since:
            for revision in mirror.copy():
                since = Revision(revision + 1)
                written += 1
        for count in mirror.follow(since):
            written += count
    finally:
        is_over.set()
        reporter.join()


@contextmanager
def _destination(address: str, given: dict[str, str]) -> Iterator[Client]:
    """A client of the destination, for which no variable speaks."""
    flags = {name.removeprefix("dest_"): (value,) for name, value in given.items() if value}
    with Client(reach(ask_password(resolve({**flags, "endpoints": (address,)}, {}))).options) as client:
        yield client
