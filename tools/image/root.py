"""The files of the image: Debian's Python and what it links, the locked dependencies, backstay's wheel. No shell, no apt, no dpkg.

    debian/     Python, its libraries, the certificates of public authorities          changes with Debian's security fixes
    backstay/   /usr/lib/python3/dist-packages and /usr/bin/backstay                   changes with every release

Packages are unpacked one by one: a bootstrapped Debian would bring the shell that the image must not have. Everything is
compiled ahead, because the container's root is read-only and a CronJob starts it every minute; the compiled files do not
depend on times, so the same input gives the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from tools.peers.sources import download_debian, unpack_debian

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = "python3.11"
PACKAGES = (
    "base-files",
    "ca-certificates",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
"""What Debian's python3.11-minimal and the wheels link; a test asks the image's own linker whether anything is missing."""
SITE = Path("usr/lib/python3/dist-packages")
PROGRAM = Path("usr/bin/backstay")
_LIBRARIES = ("lib/{}-linux-gnu", "usr/lib/{}-linux-gnu")
_UNWANTED = (
    "usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/locale", "usr/share/bug", "usr/share/pixmaps",
    "usr/share/base-files", "usr/share/applications", "usr/share/binfmts", "usr/share/info", "usr/sbin", "etc/update-motd.d",
    "etc/motd", "etc/issue", "etc/issue.net", "usr/share/zoneinfo/right", "usr/share/zoneinfo/posix",
    "usr/lib/python3.11/test", "usr/lib/python3.11/idlelib", "usr/lib/python3.11/lib2to3", "usr/lib/python3.11/pydoc_data",
    "usr/lib/python3.11/ensurepip", "usr/lib/python3.11/tkinter", "etc/ca-certificates", "etc/cron.d", "etc/default",
)  # fmt: skip
_SHELLS = ("sh", "dash", "bash", "ash", "busybox", "zsh")
_START = f"""#!/usr/bin/{PYTHON} -I
import sys

from backstay.__main__ import main

sys.exit(main())
"""
_PASSWORD_FILE = "root:x:0:0:root:/root:/nonexistent\nbackstay:x:65532:65532:backstay:/nonexistent:/nonexistent\n"
_GROUP_FILE = "root:x:0:\nbackstay:x:65532:\n"


class ImageFailed(Exception):
    """The files cannot be made; the message says why."""


def make_debian(root: Path, scratch: Path) -> None:
    """The lower layer."""
    versions = {}
    for archive in download_debian(list(PACKAGES), scratch):
        unpack_debian(archive, root)
        name, version, _ = archive.name.split("_")
        versions[name] = version.replace("%3a", ":")
    for path in _UNWANTED:
        _remove(root / path)
    for name in ("dev", "proc", "run", "sys", "tmp", "root"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(_PASSWORD_FILE)
    (root / "etc/group").write_text(_GROUP_FILE)
    authorities = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text().rstrip("\n") + "\n" for path in authorities))
    _remove(root / "usr/share/ca-certificates")
    listed = root / "usr/share/backstay/debian.json"
    listed.parent.mkdir(parents=True)
    listed.write_text(json.dumps(versions, indent=1, sort_keys=True) + "\n")
    compile_all(root, Path("usr/lib") / PYTHON, root)
    refuse_shells(root)


def make_backstay(root: Path, debian: Path, wheel: Path) -> None:
    """The upper layer: dependencies as they are locked, and `wheel`."""
    site = root / SITE
    machine = os.uname().machine
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
    pip += ["--target", str(site), "--no-deps"]
    wanted = ["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    wanted += ["--only-binary", ":all:", "--platform", "any"]
    for platform in ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34", "manylinux_2_36"):
        wanted += ["--platform", f"{platform}_{machine}"]
    run([*pip, *wanted, "--require-hashes", "-r", str(ROOT / "requirements" / "base.lock")])
    run([*pip, "--upgrade", str(wheel)])
    _remove(site / "bin")
    for path in site.glob("*.dist-info"):
        # They say when and from where pip installed, which is different every time.
        for name in ("direct_url.json", "RECORD", "INSTALLER", "REQUESTED"):
            (path / name).unlink(missing_ok=True)
    program = root / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_text(_START)
    program.chmod(0o755)
    compile_all(root, SITE, debian)


def compile_all(root: Path, directory: Path, debian: Path) -> None:
    """Compile everything below `directory` with the image's own Python, which this machine need not have."""
    for path in sorted((root / directory).rglob("__pycache__")):
        shutil.rmtree(path)
    command = [*own_python(debian), "-I", "-S", "-B", "-m", "compileall", "-q", "-f", "-s", str(root), "-p", "/"]
    run([*command, "--invalidation-mode", "unchecked-hash", str(root / directory)], own_environment(debian))


def own_python(debian: Path) -> list[str]:
    """How the Python of the image is started from outside, without becoming root."""
    (loader,) = [*debian.glob("lib64/ld-linux-*.so.*"), *debian.glob("lib/ld-linux-*.so.*")][:1]
    libraries = ":".join(str(debian / each.format(os.uname().machine)) for each in _LIBRARIES)
    return [str(loader), "--library-path", libraries, str(debian / "usr/bin" / PYTHON)]


def own_environment(debian: Path) -> dict[str, str]:
    """The environment for it: -I alone would still look for the machine's own library."""
    return {"PYTHONHOME": str(debian / "usr"), "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}


def refuse_shells(root: Path) -> None:
    """Raise `ImageFailed` if anything that is a shell has come with a package."""
    found = [path for path in root.rglob("*") if path.name in _SHELLS and path.is_file() and _is_program(path)]
    if found:
        raise ImageFailed(f"a shell is in the image: {found[0].relative_to(root)}")


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run one step to its end."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ImageFailed(f"`{Path(command[0]).name}` ended with {done.returncode}: {done.stdout[-1500:]}")


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
