"""The examples of docs/guide/library.md run as they stand, over a small store made for them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from backstay import open_source
from backstay.formats.protowire import bytes_field, int_field
from tests.unit.kube.kubernetes_values import envelope, metadata, pod, write_store

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "library.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    container = bytes_field(2, bytes_field(1, b"main") + bytes_field(2, b"nginx:1.27"))

    def deployment(replicas: int) -> bytes:
        return envelope("apps/v1", "Deployment", metadata("web", "default") + bytes_field(2, int_field(1, replicas)))

    values: list[tuple[bytes, bytes | None]] = [
        (b"/registry/deployments/default/web", deployment(1)),
        (b"/registry/pods/default/nginx", pod("nginx", spec=container)),
        (b"/registry/services/specs/default/web", envelope("v1", "Service", metadata("web", "default"))),
        (b"/registry/deployments/default/web", deployment(3)),
        (b"/registry/secrets/default/token", encrypted()),
        (b"compact_rev_key", b"2"),
    ]
    write_store(tmp_path / "backup.db", values)
    secret = base64.b64encode(bytes(range(32))).decode()
    (tmp_path / "encryption.yaml").write_text(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n"
        f"  providers:\n  - aesgcm: {{keys: [{{name: key1, secret: {secret}}}]}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def encrypted() -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    plain = envelope("v1", "Secret", metadata("token", "default"))
    sealed = AESGCM(bytes(range(32))).encrypt(bytes(12), plain, b"/registry/secrets/default/token")
    return b"k8s:enc:aesgcm:v1:key1:" + bytes(12) + sealed


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[-3].strip()[:40])
def test_an_example_runs_as_it_stands(example: str, scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(EXAMPLES[0].split("\n")[0], names)
    exec(compile(example, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    if "image" in example:
        assert "nginx:1.27" in printed
    if "history" in example:
        assert printed.splitlines()[:2] == ["2 1", "5 3"]
        assert "changed deployments.apps default/web ['metadata.resourceVersion', 'spec.replicas']" in printed


def test_what_reads_from_a_source_keeps_it_open(scene: Path) -> None:
    key = "/registry/deployments/default/web"
    assert open_source("backup.db").at(2)[key]["spec"]["replicas"] == 1
    assert key in list(open_source("backup.db"))
    assert key in dict(open_source("backup.db").items())
    assert len(list(open_source("backup.db").values())) == 5
    assert [each.identity.name for each in open_source("backup.db").select("deploy")] == ["web"]
    assert [each.identity.name for each in open_source("backup.db").list("deploy")] == ["web"]
    assert len(list(open_source("backup.db").history(key))) == 2
    changed = list(open_source("backup.db").at(2).diff(open_source("backup.db")))
    assert key in [each.key.decode() for each in changed]
