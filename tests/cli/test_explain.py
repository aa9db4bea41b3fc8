"""`backstay explain`: every code is explained, and the table of finding modules is complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backstay import errors
from backstay.cli.finding_modules import FINDING_MODULES
from backstay.cli.learn.explain import explanations
from backstay.cli.main import run

SOURCE = Path(__file__).resolve().parents[2] / "src"


def test_an_error_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "revision-compacted"], {}) == 0
    assert capsys.readouterr().out == (
        "revision-compacted: The wanted revision is older than the compact revision; "
        "its history is no longer in the store.\n"
        "  exit status: 5 (commands that keep etcd's exit statuses differ)\n"
        "  whose turn:  you\n"
        "  try again:   it will not help by itself\n"
        "  next:        ask for a revision at or above the compact revision, or use an older snapshot\n"
    )


def test_a_finding_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "revision-gap"], {}) == 0
    assert "  severity:    error of a finding\n" in capsys.readouterr().out


def test_all_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"], {}) == 0
    out = capsys.readouterr().out
    assert run(["explain", "-o", "json"], {}) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["code"] for each in listed] == [each.code for each in explanations()]
    assert {each["code"] for each in listed} >= set(errors.catalogue()) | {"bbolt-truncated", "revision-gap"}
    assert all(each["code"] in out for each in listed)
    assert all(each["meaning"] and each["next"] for each in listed)


def test_an_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "trailer-mismtach"], {}) == 2
    assert "did you mean 'trailer-mismatch'?" in capsys.readouterr().err


def test_every_module_that_declares_findings_is_listed() -> None:
    declaring = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if "errors" not in path.relative_to(SOURCE).parts
        and re.search(r"\b(?:findings\.)?declare\(\n?\s*\"", path.read_text(encoding="utf-8"))
    }
    assert declaring == set(FINDING_MODULES)
