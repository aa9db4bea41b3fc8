"""`make image`: build/image, an OCI image layout with backstay in it and no shell. Needs apt and pip, no container engine.

    python -m tools.image                     build/image
    python -m tools.image --root DIR          only the files, for a Containerfile
    python -m tools.image --output DIR --tag 0.1.0

Push it with whatever you have: `skopeo copy oci:build/image:TAG docker://registry.example/backstay:TAG`. The digest that is
printed depends on Debian's packages of the day, requirements/base.lock and the sources; on nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import backstay
from tools.image.layout import ImageFacts, write_layout
from tools.image.root import PROGRAM, ROOT, ImageFailed, make_backstay, make_debian, run
from tools.peers.sources import Unavailable

_EPOCH = "1767225600"
"""2026-01-01; a release sets SOURCE_DATE_EPOCH to the time of its commit."""
_USER = "65532:65532"
"""Nobody who owns anything; the CronJob says root where the keys of etcd are root's."""


def main(arguments: list[str]) -> int:
    """Build; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=ROOT / "build" / "image", help="the layout; replaced if it is one"
    )
    parser.add_argument("--tag", default=backstay.__version__)
    parser.add_argument("--root", type=Path, help="write the files here and no layout")
    chosen = parser.parse_args(arguments)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", _EPOCH))
    try:
        with tempfile.TemporaryDirectory(prefix="backstay-image-") as name:
            scratch = Path(name)
            debian, own = scratch / "debian", scratch / "backstay"
            say("image: Debian's packages ...")
            (scratch / "packages").mkdir()
            make_debian(debian, scratch / "packages")
            say("image: the wheel and what it needs ...")
            make_backstay(own, debian, build_wheel(scratch / "wheel", epoch))
            if chosen.root is not None:
                for layer in (debian, own):
                    shutil.copytree(layer, chosen.root, symlinks=True, dirs_exist_ok=True)
                say(f"image: the files are in {chosen.root}")
                return 0
            if (chosen.output / "oci-layout").exists():
                shutil.rmtree(chosen.output)
            layers = [("Debian's Python and certificates", debian), ("backstay and its locked dependencies", own)]
            digest = write_layout(chosen.output, layers, facts(chosen.tag, epoch))
    except (ImageFailed, Unavailable, OSError) as problem:
        sys.stderr.write(f"image: {problem}\n")
        return 1
    size = sum(path.stat().st_size for path in chosen.output.rglob("*") if path.is_file())
    say(f"image: {chosen.output} {size / (1 << 20):.0f} MiB, {digest}")
    return 0


def facts(tag: str, epoch: int) -> ImageFacts:
    """What the image says of itself."""
    return ImageFacts(
        tag,
        epoch,
        (f"/{PROGRAM}",),
        _USER,
        {"PATH": "/usr/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        {
            "org.opencontainers.image.title": "backstay",
            "org.opencontainers.image.version": backstay.__version__,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.description": "Verified backups of etcd, and restores that are proven",
        },
    )


def build_wheel(directory: Path, epoch: int) -> Path:
    """The wheel of this tree."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(directory), str(ROOT)]
    run(command, environment)
    (wheel,) = directory.glob("*.whl")
    return wheel


def say(line: str) -> None:
    """One line for whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
