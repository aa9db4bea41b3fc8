"""The facts of one release out of its Go modules: numbers and types from `generated.proto`, how JSON prints them from Go's structs.

A `.proto` does not say which field is a pointer, what is left out when empty, or what is merged into its parent. Go's struct
tags do, and they carry the field's number, so both are joined by it:

    optional int64 terminationGracePeriodSeconds = 4;
    TerminationGracePeriodSeconds *int64 `json:"terminationGracePeriodSeconds,omitempty" protobuf:"varint,4,opt,name=..."`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")

_PACKAGE = re.compile(r"^package ([\w.]+);", re.MULTILINE)
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r"^  (?:(optional|repeated) )?(?:map<(\w+), ([\w.]+)>|([\w.]+)) (\w+) = (\d+)(?: \[[^\]]*\])?;", re.MULTILINE
)
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"^\s*(\w+\s+)?([\w.*\[\]]+)\s*`([^`]*)`", re.MULTILINE)
_BARE_POINTER = re.compile(r"^\s*(\w+)\s+\*[\w.]+\s*$", re.MULTILINE)
_JSON_TAG = re.compile(r'json:"([^"]*)"')
_NUMBER_TAG = re.compile(r'protobuf:"\w+,(\d+),')
_SCALARS = frozenset({"string", "bytes", "bool", "int32", "int64", "double"})
_SKIPPED = ("_test.go", ".pb.go")

Fields = dict[str, list[dict[str, Any]]]


def read_release(directories: list[Path]) -> Fields:
    """The fields of every message in `directories`, the modules of one release, by full name."""
    found: Fields = {}
    for directory in directories:
        for proto in sorted(directory.rglob("generated.proto")):
            if "testapigroup" not in proto.parts and "vendor" not in proto.parts:
                found.update(_package(proto))
    return found


def _package(proto: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    text = proto.read_text("utf-8")
    named = _PACKAGE.search(text)
    if named is None:
        return
    package = named[1]
    structs = _structs(proto.parent)
    for name, body in _MESSAGE.findall(text):
        tags = structs.get(name, {})
        yield f"{package}.{name}", [_field(match, package, tags) for match in _FIELD.finditer(body)]


_Tags = dict[int | str, dict[str, Any]]
"""Flags by field number; by name in small letters for members without tags, whose JSON somebody wrote by hand."""


def _field(match: re.Match[str], package: str, tags: _Tags) -> dict[str, Any]:
    label, key, value, kind, name, number_text = match.groups()
    number = int(number_text)
    type_: Any = {"map": [key, _full(value, package)]} if key else _full(kind, package)
    facts: dict[str, Any] = {"number": number, "json": name, "type": type_}
    if label == "repeated" and not key:
        facts["repeated"] = True
    facts.update(tags.get(number) or tags.get(name.lower(), {}))
    facts["json"] = facts["json"] or name
    return facts


def _full(kind: str, package: str) -> str:
    """A type's full name: up to 1.30 files write it bare, from 1.31 with a dot in front, and short within their package."""
    if kind in _SCALARS:
        return kind
    return kind.lstrip(".") if "." in kind else f"{package}.{kind}"


def _structs(directory: Path) -> dict[str, _Tags]:
    """By struct and field number: JSON name and flags."""
    found: dict[str, _Tags] = {}
    for file in sorted(directory.glob("*.go")):
        if file.name.endswith(_SKIPPED):
            continue
        for name, body in _STRUCT.findall(file.read_text("utf-8")):
            members = found.setdefault(name, {})
            for member, type_, tags in _MEMBER.findall(body):
                number, json = _NUMBER_TAG.search(tags), _JSON_TAG.search(tags)
                if number is not None:
                    members[int(number[1])] = _flags(type_, json[1] if json is not None else "", is_embedded=not member)
            members.update({member.lower(): {"pointer": True} for member in _BARE_POINTER.findall(body)})
    return found


def _flags(type_: str, json: str, *, is_embedded: bool) -> dict[str, Any]:
    name, *options = json.split(",")
    is_inline = "inline" in options or (is_embedded and not name)
    flags: dict[str, Any] = {"json": name}
    if type_.startswith("*"):
        flags["pointer"] = True
    for option in ("omitempty", "omitzero"):
        if option in options:
            flags[option] = True
    if is_inline:
        flags["inline"] = True
    return flags


def releases(root: Path) -> dict[str, list[Path]]:
    """By release (`1.37`) the directories of its modules below `root`, as Go's module cache has them; newest patch wins."""
    found: dict[str, dict[str, tuple[int, Path]]] = {}
    for module in MODULES:
        for directory in (root / "k8s.io").glob(f"{module}@v0.*"):
            numbers = re.fullmatch(r"v0\.(\d+)\.(\d+)", directory.name.partition("@")[2])
            if numbers is None:
                continue
            modules = found.setdefault(f"1.{numbers[1]}", {})
            patch = int(numbers[2])
            if module not in modules or modules[module][0] < patch:
                modules[module] = (patch, directory)
    ordered = sorted(found, key=lambda release: int(release.partition(".")[2]))
    return {release: [path for _, path in found[release].values()] for release in ordered}
