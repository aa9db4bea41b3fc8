"""Write `requirements/*.lock` from `pyproject.toml`: `make lock`. Needs the registry; run when a dependency changes.

The locks hold for every Python and platform that we promise, and name no registry: whoever installs uses their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made by `make lock` from pyproject.toml: do not edit.{purpose}\n"
COMMON = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-annotate",
    "--no-header",
    "--no-config",
    "--quiet",
)
LOCKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "base.lock": (" What users get.", ("pyproject.toml",)),
    "dev.lock": (
        " base.lock and what the checks need.",
        ("pyproject.toml", "--group=dev", "--constraint=requirements/base.lock"),
    ),
    "oldest.lock": (
        " The oldest dependencies that we promise to work with, extras included.",
        ("pyproject.toml", "--all-extras", "--resolution=lowest-direct"),
    ),
    "foreign-clients.lock": (
        " Clients that others wrote, for tests: in an environment of their own.",
        ("--group=pyproject.toml:foreign-clients",),
    ),
}


def main(arguments: list[str]) -> int:
    """Write all locks; `--upgrade` as only argument takes newer releases than the present locks hold."""
    upgrade = ["--upgrade"] if arguments == ["--upgrade"] else []
    # A find-links directory of the machine would end up in the locks.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_FIND", "PIP_FIND"))}
    for name, (purpose, options) in LOCKS.items():
        target = ROOT / "requirements" / name
        command = [sys.executable, "-m", "uv", "pip", "compile", *COMMON, *options, *upgrade]
        done = subprocess.run(
            [*command, f"--output-file={target.relative_to(ROOT)}"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            sys.stderr.write(f"lock: uv could not write requirements/{name}; its words are above\n")
            return 1
        target.write_text(HEADER.format(purpose=purpose) + target.read_text(encoding="utf-8"), encoding="utf-8")
        sys.stdout.write(f"lock: requirements/{name} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
