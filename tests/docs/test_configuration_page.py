"""The page about backstay.toml keeps its word: its example is right, and explains itself as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backstay.cli.main import run
from backstay.config.reading import PAGE
from backstay.policy.schedule import usual_interval
from backstay.policy.tiers import BUILT_IN
from backstay.values import span_text

TEXT = (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8")


def test_the_example_says_what_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    (explained,) = re.findall(r"^```text\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    file = tmp_path / "backstay.toml"
    file.write_text(example, encoding="utf-8")
    assert run(["config", "check", str(file)], {}) == 0
    capsys.readouterr()
    assert run(["config", "explain", "--config", str(file)], {}) == 0
    assert capsys.readouterr().out == explained


def test_the_table_of_tiers_is_that_of_the_code() -> None:
    for tier in BUILT_IN.values():
        interval = span_text(usual_interval(tier.every.length, tier.rpo.length))
        row = f"| `{tier.name}` | {tier.every} | {tier.keep} | {tier.rto} | {tier.rpo} | {interval} |"
        assert row in TEXT, row
