"""The tool that makes the table of Kubernetes' types: modules read, releases merged, and the shipped table held against modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backstay.kube.release import Release
from backstay.kube.schema import Table, shipped_table
from tests.peers import NOT_FOUND
from tools.kubernetes_table.__main__ import disagreements, main
from tools.kubernetes_table.facts import table_text
from tools.kubernetes_table.merging import merge
from tools.kubernetes_table.modules import read_release, releases

PROTO = """package k8s.io.api.core.v1;

// A thing.
message Thing {
  // its metadata
  optional .k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta metadata = 1;

  optional Source source = 2;

  map<string, .k8s.io.apimachinery.pkg.api.resource.Quantity> limits = 3;

  repeated string args = 4;
  // +optional
  optional int64 size = 5 [(old) = true];
}

message Source {
  optional string uID = 1;
}
"""
GO = """type Thing struct {
	metav1.ObjectMeta `json:"metadata,omitempty" protobuf:"bytes,1,opt,name=metadata"`
	// inline
	Source `json:",inline" protobuf:"bytes,2,opt,name=source"`
	Limits ResourceList `json:"limits" protobuf:"bytes,3,rep,name=limits"`
	Args []string `json:"args,omitempty" protobuf:"bytes,4,rep,name=args"`
	Size *int64 `json:"size,omitempty" protobuf:"varint,5,opt,name=size"`
}

type Source struct {
	UID string `json:"uid" protobuf:"bytes,1,opt,name=uID"`
}
"""


def write_modules(root: Path) -> Path:
    """Two releases: the newer one lost `size`, gained `kind`, and prints empty `args`."""
    newer_proto = PROTO.replace("  optional int64 size = 5 [(old) = true];\n", "  optional string kind = 6;\n")
    newer_go = GO.replace('args,omitempty"', 'args"').replace(
        '	Size *int64 `json:"size,omitempty" protobuf:"varint,5,opt,name=size"`\n',
        '	Kind string `json:"kind" protobuf:"bytes,6,opt,name=kind"`\n',
    )
    for version, proto, go in (("v0.33.0", PROTO, GO), ("v0.33.9", PROTO, GO), ("v0.34.1", newer_proto, newer_go)):
        directory = root / "k8s.io" / f"api@{version}" / "core" / "v1"
        directory.mkdir(parents=True)
        (directory / "generated.proto").write_text(proto)
        (directory / "types.go").write_text(go)
    return root


def test_releases_are_read_and_merged(tmp_path: Path) -> None:
    found = releases(write_modules(tmp_path))
    assert list(found) == ["1.33", "1.34"]
    assert found["1.33"][0].name == "api@v0.33.9"
    text = table_text(merge({release: read_release(directories) for release, directories in found.items()}))
    assert text.splitlines()[-2:] == [
        "core.v1.Source - - 1:uid:string",
        "core.v1.Thing - - 1:metadata:meta.v1.ObjectMeta:o 2:source:core.v1.Source:i 3:limits:{resource.Quantity "
        "4:args:string:r:::1.33=ro 5:size:int64:po::1.33 6:kind:string::1.34",
    ]
    table = Table(text)
    message = table.find("core.v1.Thing")
    assert message is not None
    for release, known, omits in (("1.33", {1, 2, 3, 4, 5}, True), ("1.34", {1, 2, 3, 4, 6}, False)):
        fields = {field.number: field for field in message.fields(Release.parse(release))}
        assert {number for number, field in fields.items() if field.is_known} == known
        assert fields[4].omits_empty is omits
        assert not disagreements(table, release, read_release(found[release]))
    assert disagreements(table, "1.33", read_release(found["1.34"]))


def test_a_place_without_modules_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--modules", str(tmp_path), "--check"]) == 1
    assert "no k8s.io/api@v0.*" in capsys.readouterr().out


def test_the_shipped_table_agrees_with_the_modules_of_this_machine() -> None:
    go = shutil.which("go")
    cache = (
        Path(subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True).stdout.strip()) if go else None
    )
    found = releases(cache) if cache is not None else {}
    if not found:
        pytest.skip(
            f"{NOT_FOUND}modules of Kubernetes: `make peers-kubernetes` or `go mod download k8s.io/api@v0.37.2`"
        )
    table = shipped_table()
    for release, directories in found.items():
        assert not disagreements(table, release, read_release(directories)), release
