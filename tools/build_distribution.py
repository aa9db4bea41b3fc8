"""Build wheel and sdist into `dist/` and prove the wheel: `make dist`.

The proof installs the wheel into an empty environment, with whatever dependencies the registry gives a user today, and
asks `backstay --version`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build and prove; returns the exit status."""
    target = ROOT / "dist"
    shutil.rmtree(target, ignore_errors=True)
    if run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]) != 0:
        sys.stderr.write("dist: the build failed; its words are above\n")
        return 1
    wheels = list(target.glob("*.whl"))
    archives = list(target.glob("*.tar.gz"))
    if run([sys.executable, "-m", "tools.generate_manpages", str(ROOT / "build" / "man")]) != 0:
        return 1
    if len(wheels) != 1 or len(archives) != 1:
        sys.stderr.write(f"dist: expected one wheel and one sdist, found {len(wheels)} and {len(archives)}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="backstay-dist-") as name:
        scratch = Path(name)
        python = scratch / "environment" / "bin" / "python"
        environment = [sys.executable, "-m", "uv", "venv", "--quiet", "--seed", "--python", sys.executable]
        steps = [
            [*environment, str(python.parent.parent)],
            [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", str(wheels[0])],
            [str(python.parent / "backstay"), "--version"],
        ]
        for step in steps:
            if run(step, scratch) != 0:
                sys.stderr.write(f"dist: `{Path(step[0]).name} {' '.join(step[1:4])}` failed with the new wheel\n")
                return 1
    for path in [*wheels, *archives]:
        sys.stdout.write(f"dist: {path.relative_to(ROOT)} {path.stat().st_size / 1024:.0f} KiB\n")
    return 0


def run(command: list[str], directory: Path = ROOT) -> int:
    """Run one step outside the tree's import path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
