"""The units: what systemd itself says of them, and what must stay true."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from backstay.deploy.systemd import quoted, systemd_units
from tests.peers import NOT_FOUND
from tests.unit.deploy.sample_deployment import deployment

CONFIGURATION = PurePosixPath("/etc/backstay/backstay.toml")


def units(**changes: Any) -> dict[str, str]:
    program = [sys.executable, "-m", "backstay"]
    identity = PurePosixPath("/etc/backstay/operator.key")
    return systemd_units(deployment(**changes), program, configuration=CONFIGURATION, identity=identity)


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text.replace("\\\n", " "))
    return parser


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip(f"{NOT_FOUND}systemd-analyze is not on this machine")
    for name, text in units().items():
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in units()]
    done = subprocess.run([program, "verify", "--man=no", *files], capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "backstay" in line]
    assert not own, done.stderr


def test_the_agent_has_no_identity_and_the_maintainer_has() -> None:
    found = units()
    assert sorted(found) == [
        "backstay-payments-fra-maintain.service",
        "backstay-payments-fra-maintain.timer",
        "backstay-payments-fra.service",
        "backstay-payments-fra.timer",
    ]
    assert "--identity" not in found["backstay-payments-fra.service"]
    assert "--identity" in found["backstay-payments-fra-maintain.service"]


def test_a_failed_run_is_a_failed_unit() -> None:
    service = parsed(units()["backstay-payments-fra.service"])["Service"]
    assert service["Type"] == "oneshot"
    assert service["SuccessExitStatus"] == "75"
    assert service["TimeoutStartSec"] == "900"
    assert not service["ExecStart"].startswith("-")


def test_nothing_but_state_and_copies_is_writable() -> None:
    text = units()["backstay-payments-fra.service"]
    writable = [line.split("=")[1] for line in text.splitlines() if line.startswith("ReadWritePaths=")]
    assert writable == ["/srv/backups", "/var/lib/node_exporter"]
    assert "StateDirectory=backstay" in text
    assert "RequiresMountsFor=/srv/backups" in text
    assert "ProtectSystem=strict" in text
    elsewhere = units(state=PurePosixPath("/srv/state"))["backstay-payments-fra.service"]
    assert "ReadWritePaths=/srv/state" in elsewhere


def test_words_with_everything_in_them_stay_one_word() -> None:
    assert quoted("50% $HOME") == '"50%% $$HOME"'
    assert quoted("") == '""'
