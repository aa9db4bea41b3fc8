"""Generate the message classes of `backstay.etcd.pb` from the `.proto` files beside them.

Run by a developer after a change of a `.proto` file; the result is committed. It must run with grpcio-tools 1.76.x: that
release writes code for protobuf 6.31, which imports under every runtime we promise (>= 6.33, < 8), whereas newer releases
write code that an older runtime refuses. Only messages are generated; the calls are our own table (`etcd/methods.py`).

    python -m venv VENV && VENV/bin/pip install 'grpcio-tools==1.76.0' && VENV/bin/python tools/generate_protobuf.py [--check]

`--check` writes nothing and exits with 1 when the committed code is not what the `.proto` files give.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

TOOLS_RELEASE = "1.76."
PACKAGE_PATH = Path("backstay") / "etcd" / "pb"  # also the name of each file in protobuf's process-wide pool


def generate(proto_directory: Path, target: Path) -> list[str]:
    """Write `*_pb2.py` and `*_pb2.pyi` of every file of `proto_directory` into `target`; returns their names."""
    import grpc_tools
    from grpc_tools import protoc

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as scratch:
        staged, built = Path(scratch) / "in", Path(scratch) / "out"
        (staged / PACKAGE_PATH).mkdir(parents=True)
        built.mkdir()
        sources = []
        for source in sorted(proto_directory.glob("*.proto")):
            shutil.copy(source, staged / PACKAGE_PATH / source.name)
            sources.append(str(PACKAGE_PATH / source.name))
        status = protoc.main(
            ["protoc", f"-I{staged}", f"-I{well_known}", f"--python_out={built}", f"--pyi_out={built}", *sources]
        )
        if status != 0:
            raise SystemExit(f"protoc failed with status {status}")
        names = []
        for generated in sorted((built / PACKAGE_PATH).iterdir()):
            shutil.copy(generated, target / generated.name)
            names.append(generated.name)
        return names


def main(arguments: list[str]) -> int:
    """Generate or check; returns the exit status."""
    try:
        installed = version("grpcio-tools")
    except PackageNotFoundError:
        installed = "none"
    if not installed.startswith(TOOLS_RELEASE):
        sys.stderr.write(f"grpcio-tools {TOOLS_RELEASE}x is needed, found {installed}\n")
        return 2
    etcd = Path(__file__).resolve().parent.parent / "src" / "backstay" / "etcd"
    if "--check" not in arguments:
        generate(etcd / "proto", etcd / "pb")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        names = generate(etcd / "proto", Path(scratch))
        stale = [
            name
            for name in names
            if not (etcd / "pb" / name).is_file()
            or (etcd / "pb" / name).read_bytes() != (Path(scratch) / name).read_bytes()
        ]
    if stale:
        sys.stderr.write(f"not what the .proto files give: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
