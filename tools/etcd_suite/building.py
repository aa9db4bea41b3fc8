"""Compile etcd's tests from the Go module that `go/go.mod` pins, into the cache of the peers; once, about three minutes.

    CACHE/etcd-suite-3.7.3/fixtures/                  the module's certificates
                           published/common.test      as published
                           one-member/common.test     with one member where the suite's default is three

A second form is needed because the module asks for three members wherever it does not care, most of all with TLS. The
robustness tests exist in that form only, and kill the member: other failures would need hooks compiled into the server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.peers import catalogue

HERE = Path(__file__).resolve().parent
MODULE = "go.etcd.io/etcd/tests/v3"
PACKAGES = ("common", "e2e")
FORMS = ("published", "one-member")
ROBUSTNESS = ("robustness", "one-member")
PROGRAMS = (*((package, form) for form in FORMS for package in PACKAGES), ROBUSTNESS)
BUILD_SECONDS = 3600.0
CHANGES = {
    "common/e2e_test.go": (r"ClusterSize: 3\b", "ClusterSize: 1"),
    "framework/e2e/cluster.go": (r"ClusterSize: {8}3\b", "ClusterSize: 1"),
    "framework/config/cluster.go": (r"ClusterSize: {9}3\b", "ClusterSize: 1"),
    "robustness/scenarios/scenarios.go": (r"WithGoFailEnabled\(true\)", "WithGoFailEnabled(false)"),
    "robustness/failpoint/failpoint.go": (r"(allFailpoints = \[\]Failpoint\{)[^}]*", r"\1KillFailpoint"),
}
"""File -> the pattern that sets a default there, and what stands in its place in the one-member form."""


class CannotBuild(Exception):
    """The suite cannot be compiled here; the message says why."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A compiled suite: its version, and the directory that holds everything."""

    version: str
    place: Path

    def binary(self, package: str, form: str) -> Path:
        """The test program of a package in one of the two forms."""
        return self.place / form / f"{package}.test"

    @property
    def fixtures(self) -> Path:
        """The certificates of the module."""
        return self.place / "fixtures"

    @property
    def is_complete(self) -> bool:
        """Whether everything has been compiled."""
        return self.fixtures.is_dir() and all(self.binary(*program).is_file() for program in PROGRAMS)


def suite() -> Suite:
    """The pinned suite at its place in the cache, compiled or not."""
    text = (HERE / "go" / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"{re.escape(MODULE)} v(\S+)", text)
    if found is None:
        raise CannotBuild(f"tools/etcd_suite/go/go.mod does not name {MODULE}")
    return Suite(found[1], catalogue.cache_directory() / f"etcd-suite-{found[1]}")


def build(wanted: Suite, say: Callable[[str], None]) -> None:
    """Compile what is missing of `wanted`; raises `CannotBuild`."""
    if wanted.is_complete:
        return
    if shutil.which("go") is None:
        raise CannotBuild("`go` is not on this machine")
    wanted.place.mkdir(parents=True, exist_ok=True)
    source = module_source(wanted.version)
    with tempfile.TemporaryDirectory(prefix=".etcd-suite.", dir=wanted.place.parent) as name:
        scratch = Path(name)
        copy = scratch / "tests"
        shutil.copytree(source, copy)
        make_writable(copy)
        give_one_member(copy)
        for form in FORMS:
            module = scratch / form
            shutil.copytree(HERE / "go", module)
            if form == "one-member":
                with (module / "go.mod").open("a", encoding="utf-8") as text:
                    text.write(f"\nreplace {MODULE} => {copy}\n")
            for package in (package for package, form_of in PROGRAMS if form_of == form):
                if not wanted.binary(package, form).is_file():
                    say(f"etcd-suite: compiling {package}, {form} (a minute or two) ...")
                    compile_tests(module, package, wanted.binary(package, form))
        if not wanted.fixtures.is_dir():
            shutil.copytree(source / "fixtures", scratch / "fixtures")
            make_writable(scratch / "fixtures")
            (scratch / "fixtures").rename(wanted.fixtures)


def module_source(version: str) -> Path:
    """Where Go keeps the module's files."""
    done = run(["go", "mod", "download", "-json", f"{MODULE}@v{version}"], HERE / "go")
    return Path(json.loads(done)["Dir"])


def make_writable(place: Path) -> None:
    """Go's cache is read-only, and so are copies of it."""
    for path in [place, *place.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


def give_one_member(copy: Path) -> None:
    """Change the defaults of a copy of the module; raises `CannotBuild` when the module says them otherwise."""
    for name, (pattern, replacement) in CHANGES.items():
        path = copy / name
        text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"))
        if count == 0:
            raise CannotBuild(f"{name} of the module no longer says what the one-member form changes")
        path.write_text(text, encoding="utf-8")


def compile_tests(module: Path, package: str, target: Path) -> None:
    """One test program, under its final name only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    flags = ["-tags", "e2e", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished)]
    run(["nice", "go", "test", "-c", *flags, f"{MODULE}/{package}"], module)
    unfinished.rename(target)


def run(command: list[str], directory: Path) -> str:
    """Run a Go command to its end; raises `CannotBuild` with its last words."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    if done.returncode != 0:
        raise CannotBuild(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()[-400:]}")
    return done.stdout
