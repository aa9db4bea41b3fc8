"""The image layout: the same files give the same digest, and what is not what its name says is not unpacked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tools.image.layout import ImageFacts, unpack_layout, write_layout

FACTS = ImageFacts(
    "1", 1_767_225_600, ("/usr/bin/backstay",), "65532:65532", {"PATH": "/usr/bin"}, {"title": "backstay"}
)


def tree(place: Path, *, is_backwards: bool = False) -> list[tuple[str, Path]]:
    """Two small layers; made in one order or the other."""
    lower, upper = place / "lower", place / "upper"
    files = [(lower / "etc/passwd", "root"), (lower / "usr/lib/a.py", "a = 1\n"), (upper / "usr/bin/backstay", "#!\n")]
    for path, text in reversed(files) if is_backwards else files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (upper / "usr/bin/backstay").chmod(0o755)
    (lower / "usr/lib/b.py").symlink_to("a.py")
    os.link(lower / "usr/lib/a.py", lower / "usr/lib/c.py")
    (lower / "tmp").mkdir()
    (lower / "tmp").chmod(0o1777)
    return [("lower", lower), ("upper", upper)]


def test_the_same_files_give_the_same_digest(tmp_path: Path) -> None:
    first = write_layout(tmp_path / "first", tree(tmp_path / "a"), FACTS)
    second = write_layout(tmp_path / "second", tree(tmp_path / "b", is_backwards=True), FACTS)
    assert first == second
    names = [sorted(path.name for path in (tmp_path / each).rglob("*")) for each in ("first", "second")]
    assert names[0] == names[1]


def test_one_more_byte_gives_another_digest(tmp_path: Path) -> None:
    layers = tree(tmp_path / "a")
    first = write_layout(tmp_path / "first", layers, FACTS)
    (layers[1][1] / "usr/bin/backstay").write_text("#!!\n")
    assert write_layout(tmp_path / "second", layers, FACTS) != first


def test_what_was_packed_comes_out(tmp_path: Path) -> None:
    write_layout(tmp_path / "image", tree(tmp_path / "a"), FACTS)
    config = unpack_layout(tmp_path / "image", tmp_path / "root")
    assert config["config"]["Entrypoint"] == ["/usr/bin/backstay"]
    root = tmp_path / "root"
    assert (root / "usr/bin/backstay").stat().st_mode & 0o777 == 0o755
    assert (root / "usr/lib/b.py").is_symlink()
    assert (root / "usr/lib/c.py").read_text() == (root / "usr/lib/a.py").read_text() == "a = 1\n"
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_every_descriptor_names_a_blob_of_its_size(tmp_path: Path) -> None:
    write_layout(tmp_path / "image", tree(tmp_path / "a"), FACTS)
    blobs = tmp_path / "image" / "blobs" / "sha256"
    (index,) = json.loads((tmp_path / "image" / "index.json").read_text())["manifests"]
    manifest = json.loads((blobs / index["digest"].removeprefix("sha256:")).read_text())
    for each in (index, manifest["config"], *manifest["layers"]):
        assert (blobs / each["digest"].removeprefix("sha256:")).stat().st_size == each["size"]


def test_a_changed_layer_is_not_unpacked(tmp_path: Path) -> None:
    write_layout(tmp_path / "image", tree(tmp_path / "a"), FACTS)
    largest = max((tmp_path / "image/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[-1] ^= 1
    largest.write_bytes(data)
    with pytest.raises(ValueError, match="has other bytes"):
        unpack_layout(tmp_path / "image", tmp_path / "root")
