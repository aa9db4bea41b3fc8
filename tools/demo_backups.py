"""A night of backups, played on this machine's loopback: the second half of `make demo`.

The embedded store is promised the tier `critical`, a hundred times faster: a point every few seconds, in two directories and in an
S3-compatible store. That one is killed for a while and comes back. Then somebody deletes a namespace; the points go on, and the
one before is restored, proven, and served. Every `$ backstay ...` line is really run, with status and output as a user sees them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from backstay.errors import BackstayError
from backstay.etcd import Client
from backstay.testing import Etcd
from tests import peers
from tests.etcd_process import free_ports
from tests.peers import Tool
from tools.demo import StoryBroken, fill, run_backstay, say, scene, view_of

FASTER = 100
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 90.0
NAMESPACE, RESOURCES = "production", ("configmaps", "secrets", "deployments")
EACH = 20
MARKER, FIRST_DELETED = f"/registry/namespaces/{NAMESPACE}", f"/registry/configmaps/{NAMESPACE}/shop-00"
KEYS = {"AWS_ACCESS_KEY_ID": "backstay", "AWS_SECRET_ACCESS_KEY": "not-a-secret-at-all"}
BUCKET = "backups"
PARTLY, NONE_DUE = 3, "nothing is due"

CONFIGURATION = """\
state_dir = "{state}"

[repositories.near]
location = "file://{near}"
site = "here"
identity = "{identity}"

[repositories.shelf]
location = "file://{shelf}"
site = "next-door"

[repositories.far]
location = "{far}"
site = "elsewhere"

[repositories.files]
form = "plain"
location = "file://{files}"
recipients = ["{recipient}"]
site = "next-door"

[clusters.shop]
endpoints = ["{endpoint}"]
tier = "critical"
site = "here"
repositories = ["near", "shelf", "far", "files"]
"""


def main(arguments: list[str]) -> int:
    """Play the night; returns the exit status."""
    parser = argparse.ArgumentParser(description="A night of backups.")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all files")
    parser.add_argument("--objects", type=int, default=1000, help="how many objects the cluster has besides")
    chosen = parser.parse_args(arguments)
    directory = Path(tempfile.mkdtemp(prefix="backstay-night-"))
    try:
        with far_place(directory) as far, Etcd(directory / "data", waits_for_disk=True) as store:
            play(store, directory, far, chosen.objects)
    except (StoryBroken, BackstayError) as problem:
        sys.stderr.write(f"demo: {problem}\n")
        return 1
    finally:
        if chosen.keep:
            say(f"\nEverything is in {directory}.")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


def play(store: Etcd, directory: Path, far: FarPlace, objects: int) -> None:
    """The story, in order."""
    backstay = partial(run_backstay, directory, environment=KEYS)
    scene("20:00  The cluster is promised: at most fifteen minutes lost, back within five")
    places = {name: directory / name for name in ("near", "shelf", "files")}
    for place in places.values():
        place.mkdir()
    kit = ("--new-identity", "operator.key", "--recovery-kit", "paper.txt")
    backstay("init", str(places["near"]), "--state-dir", "state", *kit)
    listed = backstay("recipient", "list", str(places["near"]), "-o", "json", shown=False)
    recipient = recipient_of(json.loads(listed))
    text = CONFIGURATION.format(
        state=directory / "state",
        identity=directory / "operator.key",
        endpoint=store.endpoint,
        far=far.location,
        recipient=recipient,
        **places,
    )
    (directory / "backstay.toml").write_text(text)
    for name in ("shelf", "far"):
        backstay("init", name, "--recipient", f"operator={recipient}", "--recovery-kit", f"paper-{name}.txt")
    backstay("config", "explain", "shop")
    with store.client() as client:
        fill(client, objects)
        fill_namespace(client)
        before = count(client)

    scene(f"20:10  `run --once`, {FASTER} times faster; it knows by itself when it is due")
    with busy(store):
        look_until_run(directory, runs=2)
        say(f"\nNothing has changed since a moment ago, so it says: {look(directory)[1].strip()}")

        scene("21:00  The object store dies")
        far.stop()
        look_until_run(directory, expected=PARTLY)
        say("(status 3: the others have their point)")
        shown_status(directory)

        scene("21:30  It is back; what it has missed is what is new since its own last point")
        far.start()
        look_until_run(directory, until_whole=True)
        shown_status(directory)

        scene(f"22:00  Somebody deletes the namespace {NAMESPACE}")
        with store.client() as client:
            delete_namespace(client)
            say(f"{before} objects were in it; now there are {count(client)}. And the backups go on:")
        look_until_run(directory)

    scene("22:05  The moment before it, proven and served")
    backstay("list", "near")
    at = f"before-delete:{FIRST_DELETED}"
    backstay("restore", "near", "--at", at, "--to", "before.db")
    serve_point(directory, before, at)

    scene("23:00  On the host with the identity: the promise measured")
    maintainer = ["run", "--once", "--cluster", "shop", "--identity", "operator.key"]
    backstay(*maintainer)
    shown_status(directory)


def look(directory: Path) -> tuple[int, str]:
    """One look, as the timer makes them; status and words."""
    command = [
        sys.executable,
        "-m",
        "backstay",
        "run",
        "--once",
        "--cluster",
        "shop",
        "--scale",
        str(FASTER),
        "--quiet",
    ]
    done = subprocess.run(command, cwd=directory, env=_environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def look_until_run(directory: Path, *, runs: int = 1, expected: int = 0, until_whole: bool = False) -> None:
    """Look every moment and show what was done, until so many runs were."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while runs:
        status, said = look(directory)
        if NONE_DUE not in said:
            say(f"\n$ backstay run --once --cluster shop\n{said.rstrip()}")
            if until_whole and status == PARTLY:
                continue
            if status != expected:
                raise StoryBroken(f"a run ended with status {status}, not {expected}")
            runs -= 1
        if time.monotonic() > deadline:
            raise StoryBroken("no run was due for too long")
        time.sleep(LOOK_SECONDS)


def shown_status(directory: Path) -> None:
    """What `status` says now, whatever it thinks of it: the tier's minutes are half-seconds here."""
    command = [sys.executable, "-m", "backstay", "status", "--cluster", "shop", "--scale", str(FASTER)]
    done = subprocess.run(command, cwd=directory, env=_environment(), capture_output=True, text=True, check=False)
    say(f"\n$ backstay status --cluster shop\n{done.stdout.rstrip()}\n(status {done.returncode})")


def serve_point(directory: Path, wanted: int, at: str) -> None:
    """The point as a read-only etcd, which must have everything."""
    say(f"\n$ backstay serve --from near --at {at}")
    location = str(directory / "near")
    flags = {"from": location, "at": at, "identity": str(directory / "operator.key")}
    begun = time.monotonic()
    with Etcd(flags=flags) as view:
        seconds = time.monotonic() - begun
        run_backstay(directory, "ctl", "get", MARKER, "--keys-only", view_of(view))
        with view.client() as client:
            found = count(client)
    say(f"It answered {seconds:.1f} seconds after its start, and has {found} of {wanted} objects of {NAMESPACE}.")
    if found != wanted:
        raise StoryBroken("the point does not hold what was deleted")


class FarPlace:
    """An S3-compatible server that can be killed and started again; a third directory where there is none."""

    def __init__(self, directory: Path, tool: Tool | None) -> None:
        self._tool, self._data = tool, directory / "s3"
        (self._data / BUCKET).mkdir(parents=True)
        (directory / "sidecar").mkdir()
        self._sidecar = directory / "sidecar"
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def location(self) -> str:
        """Where it is."""
        if self._tool is None:
            return f"file://{self._data / BUCKET}"
        return f"s3://{BUCKET}/shop?endpoint=http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, on the port that it always has."""
        if self._tool is None:
            self._data.with_name("s3.gone").rename(self._data)
            return
        keys = ["--access", KEYS["AWS_ACCESS_KEY_ID"], "--secret", KEYS["AWS_SECRET_ACCESS_KEY"]]
        command = [str(self._tool.program), "--port", f"127.0.0.1:{self._port}", "--quiet", *keys]
        self._process = subprocess.Popen(
            [*command, "posix", "--sidecar", str(self._sidecar), str(self._data)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """Kill it."""
        if self._tool is None:
            self._data.rename(self._data.with_name("s3.gone"))
        elif self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def far_place(directory: Path) -> Iterator[FarPlace]:
    """The third place, for as long as the story goes."""
    tool = peers.find_tool("versitygw")
    if isinstance(tool, str):
        say(f"No S3-compatible server is here ({tool}), so a third directory stands in for it.")
    far = FarPlace(directory, None if isinstance(tool, str) else tool)
    if not isinstance(tool, str):
        far.start()
    try:
        yield far
    finally:
        if not isinstance(tool, str):
            far.stop()


@contextmanager
def busy(store: Etcd) -> Iterator[None]:
    """Something always happens: leases are renewed."""
    over = threading.Event()

    def renew() -> None:
        number = 0
        with store.client() as client:
            while not over.wait(0.1):
                number += 1
                client.kv.put(b"/registry/leases/kube-node-lease/node-%d" % (number % 9), b"k8s\0renewed %d" % number)

    thread = threading.Thread(target=renew, name="renewing")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def recipient_of(listed: object) -> str:
    """The public text of the recipient whose identity is on this machine."""
    assert isinstance(listed, list)
    return next(str(each["public"]) for each in listed if not each["offline"])


def fill_namespace(client: Client) -> None:
    """The namespace and what is in it."""
    client.kv.put(MARKER.encode(), b"k8s\0namespace")
    for resource in RESOURCES:
        for number in range(EACH):
            client.kv.put(f"/registry/{resource}/{NAMESPACE}/shop-{number:02d}".encode(), b"k8s\0what the shop needs")


def count(client: Client) -> int:
    """How many objects the namespace has."""
    found = 0
    for resource in RESOURCES:
        prefix = f"/registry/{resource}/{NAMESPACE}/".encode()
        found += client.kv.range(prefix, range_end=prefix[:-1] + b"0", count_only=True).count
    return found


def delete_namespace(client: Client) -> None:
    """As the namespace controller does: the objects first, then the namespace."""
    for resource in RESOURCES:
        prefix = f"/registry/{resource}/{NAMESPACE}/".encode()
        client.kv.delete_range(prefix, range_end=prefix[:-1] + b"0")
    client.kv.delete_range(MARKER.encode())


def _environment() -> Mapping[str, str]:
    return {**os.environ, **KEYS}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
