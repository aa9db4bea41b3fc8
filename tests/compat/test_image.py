"""The image is built, and the CronJob's own command runs from it: with its mounts and no others, against an etcd with mTLS.

The container's root is the unpacked image, mounted read-only in a mount namespace of its own; so this needs root and Debian's
packages. What is not done: dropping capabilities and seccomp, which only a container runtime does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubelet import PKI, ControlPlane
from tests.peers import NOT_FOUND, Peer
from tools.image.__main__ import main as build_image
from tools.image.layout import unpack_layout
from tools.peers.sources import Unavailable, download_debian

CONFIGURATION = f"""
[repositories.near]
location = "file:///srv/backups"

[clusters.payments]
endpoints = ["ENDPOINT"]
cacert = "{PKI}/etcd/ca.crt"
cert = "{PKI}/apiserver-etcd-client.crt"
key = "{PKI}/apiserver-etcd-client.key"
tier = "critical"
repositories = ["near"]
"""
CONTAINER = """
root=$1; shift
mount --bind "$root" "$root"
mount --bind /dev "$root/dev"
mount --bind /proc "$root/proc"
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2"
    if [ "$3" = ro ]; then mount -o remount,bind,ro "$root$2"; fi
    shift 3
done
shift
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The unpacked files and the config of the image of this tree."""
    place = tmp_path_factory.mktemp("image")
    if os.geteuid() != 0:
        pytest.skip(f"{NOT_FOUND}the image is run in a mount namespace, which needs root")
    try:
        (place / "try").mkdir()
        download_debian(["libuuid1"], place / "try")
    except Unavailable as problem:
        pytest.skip(f"{NOT_FOUND}{problem}")
    assert build_image(["--output", str(place / "layout")]) == 0
    return place / "root", unpack_layout(place / "layout", place / "root")


def test_nothing_that_runs_another_program_is_in_it(image: tuple[Path, dict[str, Any]]) -> None:
    root, config = image
    programs = {path.name for path in (root / "usr/bin").iterdir()}
    assert programs == {"backstay", "python3.11"}
    assert not list((root / "bin").iterdir()) if (root / "bin").exists() else True
    assert config["config"]["Entrypoint"] == ["/usr/bin/backstay"]
    assert config["config"]["User"].split(":")[0] != "0"


def test_every_library_is_there_and_every_module_is_compiled(image: tuple[Path, dict[str, Any]]) -> None:
    root, _ = image
    names = "grpc, obstore, bcrypt, pyrage, google_crc32c, yaml, rich, ssl, ctypes, lzma, bz2, zoneinfo, backports.zstd"
    program = f"import {names}; from cryptography.hazmat.bindings import _rust; print(google_crc32c.implementation)"
    done = subprocess.run(["chroot", root, "/usr/bin/python3.11", "-I", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "c\n"), done.stderr
    sources = [path for path in (root / "usr/lib/python3/dist-packages/backstay").rglob("*.py")]
    assert all((path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists() for path in sources)


def test_the_command_of_the_cronjob_runs_from_it(
    image: tuple[Path, dict[str, Any]], newest_peer: Peer, tmp_path: Path
) -> None:
    root, _ = image
    host = tmp_path / "host"
    with ControlPlane(host, newest_peer) as plane:
        plane.wait_ready()
        with plane.client() as client:
            client.kv.put(b"/registry/configmaps/shop/prices", b"tea 3")
        configuration = CONFIGURATION.replace("ENDPOINT", plane.endpoint)
        (tmp_path / "backstay.toml").write_text(configuration)
        (host / "srv/backups").mkdir(parents=True)
        ours(
            "init",
            host / "srv/backups",
            "--state-dir",
            host / "var/lib/backstay",
            "--new-identity",
            tmp_path / "identity",
        )
        job = list(yaml.safe_load_all(ours("deploy", "cronjob", "--config", tmp_path / "backstay.toml")))[-1]
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        report = json.loads(as_container(root, pod, host, tmp_path, "-o", "json"))
        assert report["copies"], report
        not_due = json.loads(as_container(root, pod, host, tmp_path, "-o", "json"))
        assert not not_due.get("copies"), not_due
    ours("restore", host / "srv/backups", "--to", tmp_path / "back.db", "--identity", tmp_path / "identity")
    assert "/registry/configmaps/shop/prices" in ours("keys", tmp_path / "back.db")


def ours(*words: str | Path) -> str:
    """One command on the host, as its administrator types it."""
    done = subprocess.run([sys.executable, "-m", "backstay", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_container(root: Path, pod: dict[str, Any], host: Path, place: Path, *more: str) -> str:
    """The pod's container, as the kubelet would start it; what it prints."""
    (container,) = pod["containers"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts: list[str] = []
    for mount in container["volumeMounts"]:
        source = source_of(volumes[mount["name"]], host, place)
        target = root / mount["mountPath"].lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if source.is_dir() else target.touch()
        mounts += [str(source), mount["mountPath"], "ro" if mount.get("readOnly") else "rw"]
    environment = {"PATH": "/usr/bin:/usr/sbin:/bin:/sbin"} | {each["name"]: each["value"] for each in container["env"]}
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        CONTAINER,
        "container",
        str(root),
        *mounts,
    ]
    done = subprocess.run(
        [*command, "--", *container["command"], *more], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def source_of(volume: dict[str, Any], host: Path, place: Path) -> Path:
    """What is mounted: the host's file, the ConfigMap's, or an empty directory."""
    if "hostPath" in volume:
        return host / volume["hostPath"]["path"].lstrip("/")
    if "configMap" in volume:
        directory = place / "configmap"
        directory.mkdir(exist_ok=True)
        (directory / "backstay.toml").write_text((place / "backstay.toml").read_text())
        return directory
    assert "emptyDir" in volume
    directory = place / "scratch"
    directory.mkdir(exist_ok=True)
    return directory
