"""Install the real etcd releases and other servers that the tests run against: `make peers`, or `python -m tools.peers.install`.

Kubernetes takes minutes to build and is installed only when it is named: `make peers-kubernetes`.

They go into a cache outside the tree (`$BACKSTAY_PEERS`, else the user's cache directory), each under its final name
only when it is whole and has answered its version. What this machine cannot provide is written down with the reason
and is no failure: the tests that need it are then skipped, and the summary of the tests says so.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.peers import catalogue, sources
from tools.peers.catalogue import Installed, PeerRelease

EXPECTED = {
    "debian": "a few seconds",
    "wheel": "a few seconds",
    "go": "a minute or two",
    "python": "a few seconds",
    "npm": "half a minute",
}
NEWEST = "newest"
ON_DEMAND = "not asked for; `make peers-kubernetes` builds it"


def main(arguments: list[str]) -> int:
    """Install what is missing and print the table; the arguments, if any, name the only ones wanted, `newest` the newest etcd."""
    releases = catalogue.wanted()
    arguments = [catalogue.newest(releases).key if each == NEWEST else each for each in arguments]
    unknown = set(arguments) - {release.key for release in releases}
    if unknown:
        sys.stderr.write(f"peers: not in versions.toml: {', '.join(sorted(unknown))}\n")
        return 2
    cache = catalogue.cache_directory()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(f"peers: cannot make the cache: {error}\nSet BACKSTAY_PEERS to a writable directory.\n")
        return 1
    with only_one(cache):
        earlier = catalogue.recorded_reasons(cache)
        results = []
        for release in releases:
            if not is_wanted(release, arguments):
                reason = catalogue.fault(release, catalogue.place(release, cache))
                reason = reason and earlier.get(release.key, ON_DEMAND if release.is_on_demand else reason)
                results.append(Installed(release.key, catalogue.place(release, cache), reason))
            else:
                results.append(install(release, cache))
        catalogue.write_report(cache, results)
    for release, result in zip(releases, results, strict=True):
        state, detail = ("ready", str(result.path)) if result.ready else ("missing", result.reason)
        say(f"  {release.label:<16} {state:<8} {detail}")
    return 0


def is_wanted(release: PeerRelease, named: list[str]) -> bool:
    """Whether this run installs `release`: without names, all but the dear ones."""
    return release.key in named if named else not release.is_on_demand


def install(release: PeerRelease, cache: Path) -> Installed:
    """Make one release ready, or say why it cannot be."""
    directory = catalogue.place(release, cache)
    if not catalogue.fault(release, directory):
        return Installed(release.key, directory)
    expected = "seven minutes or more on two cores" if release.is_on_demand else EXPECTED[release.source]
    say(f"peers: {release.label} from {release.source} ({expected}) ...")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f".{release.name}-{release.version}.", dir=cache) as name:
        scratch = Path(name)
        try:
            programs, libraries = sources.provide(release, scratch)
            whole = scratch / "whole"
            whole.mkdir()
            for program, path in programs.items():
                shutil.move(path, whole / program)
                (whole / program).chmod(0o755)
            for library in libraries:
                shutil.move(library, whole / library.name)
            if fault := catalogue.fault(release, whole):
                raise sources.Unavailable(fault)
            move_aside(directory, scratch)
            whole.rename(directory)
        except (sources.Unavailable, OSError) as error:
            return Installed(release.key, directory, str(error))
    say(f"peers: {release.label} is ready after {time.monotonic() - begun:.0f} s")
    return Installed(release.key, directory)


def move_aside(directory: Path, scratch: Path) -> None:
    """An earlier, incomplete installation goes away with the scratch directory."""
    if directory.exists():
        directory.rename(scratch / "earlier")


@contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Hold the cache: a second installation waits for the first, and then finds everything done."""
    descriptor = os.open(cache / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("peers: another installation is under way, waiting for it ...")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def say(line: str) -> None:
    """One line for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
