"""An OCI image layout: a directory of blobs named by their SHA-256, an index that names the manifest.

    oci-layout              {"imageLayoutVersion": "1.0.0"}
    index.json              the manifest's digest and the tag
    blobs/sha256/<hex>      manifest, config, one gzipped tar for each layer

Same files, same bytes: entries stand in the order of their names, belong to root, and have one time.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the image says of itself. `created` is in seconds since 1970, and the time of every file."""

    tag: str
    created: int
    entrypoint: tuple[str, ...]
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def write_layout(target: Path, layers: Sequence[tuple[str, Path]], facts: ImageFacts) -> str:
    """Write the image of `layers` (what it is, its root; lowest first) into the new directory; the manifest's digest."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors, identities, history = [], [], []
    for what, root in layers:
        plain, packed = _layer(root, facts.created)
        identities.append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
        descriptors.append(_put(blobs, LAYER, packed))
        history.append({"created": _time(facts.created), "created_by": what})
    config = {
        "created": _time(facts.created),
        "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {
            "User": facts.user,
            "Env": [f"{name}={value}" for name, value in sorted(facts.environment.items())],
            "Entrypoint": list(facts.entrypoint),
            "WorkingDir": "/",
            "Labels": dict(sorted(facts.labels.items())),
        },
        "rootfs": {"type": "layers", "diff_ids": identities},
        "history": history,
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _put(blobs, CONFIG, _json(config)),
        "layers": descriptors,
        "annotations": dict(sorted(facts.labels.items())),
    }
    described = _put(blobs, MANIFEST, _json(manifest))
    named = described | {"annotations": {"org.opencontainers.image.ref.name": facts.tag}}
    (target / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}))
    (target / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(described["digest"])


def unpack_layout(image: Path, root: Path) -> dict[str, Any]:
    """Unpack every layer into `root`, each blob compared with its name; gives the config. Raises `ValueError`."""
    index = json.loads((image / "index.json").read_text())
    manifest = json.loads(_get(image, index["manifests"][0]["digest"]))
    config: dict[str, Any] = json.loads(_get(image, manifest["config"]["digest"]))
    for layer, identity in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        plain = gzip.decompress(_get(image, layer["digest"]))
        if f"sha256:{hashlib.sha256(plain).hexdigest()}" != identity:
            raise ValueError(f"{layer['digest']} is not the layer that the config names")
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            archive.extractall(root, filter="fully_trusted")  # made here, and compared above
    return config


def _layer(root: Path, time: int) -> tuple[bytes, bytes]:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*"), key=lambda each: each.relative_to(root).parts):
            entry = archive.gettarinfo(str(path), str(path.relative_to(root)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = time
            entry.mode = stat.S_IMODE(path.lstat().st_mode)
            if entry.islnk():  # two names of one file: which is the first depends on the order on disk
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
            if entry.isreg():
                with path.open("rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
    return plain.getvalue(), gzip.compress(plain.getvalue(), _LEVEL, mtime=0)


def _put(blobs: Path, kind: str, data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}


def _get(image: Path, digest: str) -> bytes:
    algorithm, _, name = digest.partition(":")
    data = (image / "blobs" / algorithm / name).read_bytes()
    if hashlib.new(algorithm, data).hexdigest() != name:
        raise ValueError(f"{digest} has other bytes")
    return data


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
