"""A sample of etcd's own end-to-end tests passes against `backstay serve`; `make etcd-suite` runs all of them.

It runs where the suite has been compiled: `make etcd-suite` does that, three minutes, once. The one-member form, so with TLS.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import NOT_FOUND
from tools.etcd_suite import building, running
from tools.etcd_suite.running import PASSED, SKIPPED, Runner

SAMPLE = {
    "common": (
        "TestKVPut",
        "TestTxnSucc",
        "TestWatch",
        "TestLeaseGrantRevoke",
        "TestAuthWriteKey",
        "TestUserList",
        "TestCompact",
    ),
    "e2e": ("TestCurlV3KVTxn", "TestCurlV3Watch", "TestCtlV3Elect", "TestCtlV3AuthCertCN"),
}


@pytest.mark.parametrize("package", SAMPLE)
def test_a_sample_of_etcds_own_tests_passes(package: str, tmp_path: Path) -> None:
    suite = building.suite()
    if not suite.is_complete:
        pytest.skip(f"{NOT_FOUND}etcd's tests: `make etcd-suite` compiles them")
    with running.only_one(suite.place):
        runner = Runner(suite, package, "one-member", "backstay", tmp_path)
        for test in SAMPLE[package]:
            result = runner.run(test)
            wrong = [case for case in result.cases if case.outcome not in (PASSED, SKIPPED)]
            assert not wrong, f"{wrong}\n{runner.log_of(test).read_text(errors='replace')[-5000:]}"
            assert {start.server for start in result.starts} == {"backstay"}
