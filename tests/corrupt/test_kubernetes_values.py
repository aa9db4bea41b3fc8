"""Hostile values of Kubernetes objects end as labelled output: a bounded sample of what `tests.kubernetes_fuzz` does for hours.

The values that once broke something are here by seed.
"""

from __future__ import annotations

import json
import time

import pytest

from backstay.formats.mvcc import KeyValue
from tests.kubernetes_fuzz import Examiner, Spoiler, corpus

SAMPLE = 120
SECONDS = 8


@pytest.fixture(scope="module")
def items() -> list[KeyValue]:
    return corpus()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_spoiled_is_labelled_and_never_raises(seed: int, items: list[KeyValue]) -> None:
    examiner = Examiner()
    for good, hostile in Spoiler(items, seed).items(SAMPLE):
        begun = time.process_time()
        examiner.examine(good, hostile)
        assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize("depth", [199, 201, 900, 100_000])
def test_json_without_end_is_damaged_and_does_not_break_who_recurses(depth: int) -> None:
    value = b'{"kind":"ConfigMap","apiVersion":"v1","data":' + b'{"a":' * depth + b"1" + b"}" * (depth + 1)
    item = KeyValue(b"/registry/configmaps/shop/a", 1, 2, 1, value)
    good = item._replace(value=json.dumps({"kind": "ConfigMap", "apiVersion": "v1"}).encode())
    Examiner().examine(good, item)
