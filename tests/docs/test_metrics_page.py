"""The page of the metrics and the rules for Prometheus name exactly what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from backstay.jobs.automation.metrics import METRICS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
RULES = REFERENCE / "prometheus-rules.yaml"


def test_the_table_is_the_codes_own() -> None:
    rows = re.findall(r"^\| `(backstay_\w+)` \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == [(each.name, ", ".join(f"`{label}`" for label in each.labels), each.help) for each in METRICS]


def test_every_metric_that_is_spoken_of_exists() -> None:
    known = {each.name for each in METRICS}
    assert set(re.findall(r"backstay_\w+", PAGE)) <= known
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        names = set(re.findall(r"backstay_\w+", rule["expr"]))
        assert names
        assert names <= known, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert "cluster" in rule["annotations"]["summary"]
