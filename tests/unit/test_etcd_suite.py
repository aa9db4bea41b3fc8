"""The run of etcd's own tests: what the stand-in for `etcd` hands over, and how the output of a test is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.etcd_suite import running, shim, table
from tools.etcd_suite.running import Case, Result, Start

ONE = ["--name=a", "--data-dir=/d", "--initial-cluster=a=http://localhost:1", "--initial-cluster-state=new"]


@pytest.mark.parametrize(
    ("words", "members"),
    [
        (ONE, 1),
        ([], 1),
        (["--cert-file", "server.crt", *ONE], 1),
        (["--initial-cluster", "a=http://localhost:1,b=http://localhost:2"], 2),
        (["--initial-cluster=a=http://localhost:1,a=http://localhost:2"], 1),
        ([*ONE[:3], "--initial-cluster-state=existing"], 2),
        ([*ONE, "--force-new-cluster=true"], 0),
        (["--discovery-token=x", "--discovery-endpoints=localhost:2379"], 0),
        (["--version"], 0),
        (["grpc-proxy", "start"], 0),
    ],
)
def test_only_the_start_of_a_one_member_store_is_ours(words: list[str], members: int) -> None:
    assert shim.members_of(words) == members


def test_a_configuration_file_names_the_members(tmp_path: Path) -> None:
    settings = tmp_path / "etcd.yaml"
    settings.write_text("name: a\ninitial-cluster: 'a=http://localhost:1,b=http://localhost:2'\n")
    assert shim.members_of([f"--config-file={settings}"]) == 2


def test_the_stand_in_becomes_the_program_and_says_so(tmp_path: Path) -> None:
    journal = tmp_path / "starts"
    settings = tmp_path / "shim.json"
    script = [sys.executable, "-c", "import sys; print(*sys.argv[1:]); sys.exit(7)"]
    settings.write_text(json.dumps({"etcd": "/bin/echo", "own": script, "journal": str(journal)}))
    stand_in = [sys.executable, "-I", "-S", shim.__file__, str(settings)]
    own = subprocess.run([*stand_in, *ONE], capture_output=True, text=True)
    assert (own.stdout.split(), own.returncode) == (ONE, 7)
    real = subprocess.run([*stand_in, *ONE, "--force-new-cluster"], capture_output=True, text=True)
    assert (real.stdout.split(), real.returncode) == ([*ONE, "--force-new-cluster"], 0)
    (start,) = running.starts_in(journal)
    assert (start.name, start.members, start.server) == ("a", 1, "backstay")


OUTPUT = """=== RUN   TestPut
=== RUN   TestPut/NoTLS
=== RUN   TestPut/TLS
--- FAIL: TestPut (3.00s)
    --- PASS: TestPut/NoTLS (1.00s)
    --- FAIL: TestPut/TLS (2.00s)
FAIL
"""


def test_the_cases_of_a_test_are_read_without_the_tests_around_them() -> None:
    cases = running.cases_in(OUTPUT, "TestPut", 1, 3.0)
    assert cases == (Case("TestPut/NoTLS", "passed", 1.0), Case("TestPut/TLS", "failed", 2.0))


def test_a_case_may_have_slashes_in_its_own_name() -> None:
    text = "--- PASS: TestAdd (3.00s)\n    --- PASS: TestAdd/Strict/TLS (1.00s)\n"
    assert running.cases_in(text, "TestAdd", 0, 3.0) == (Case("TestAdd/Strict/TLS", "passed", 1.0),)


def test_a_test_that_fails_around_its_cases_is_not_lost() -> None:
    text = OUTPUT.replace("FAIL: TestPut/TLS", "PASS: TestPut/TLS")
    assert Case("TestPut", "failed", 3.0) in running.cases_in(text, "TestPut", 1, 3.0)


def test_a_case_without_an_end_timed_out_or_died() -> None:
    text = "=== RUN   TestPut\n=== RUN   TestPut/NoTLS\n"
    assert running.cases_in(text, "TestPut", 2, 9.0) == (Case("TestPut/NoTLS", "failed", 9.0),)
    late = text + "panic: test timed out after 5m0s\n"
    assert running.cases_in(late, "TestPut", 2, 9.0) == (Case("TestPut/NoTLS", "timed out", 9.0),)


def test_a_case_is_judged_by_the_members_it_started() -> None:
    result = Result(
        (Case("TestPut/No_TLS", "passed", 1.0), Case("TestPut/TLS", "passed", 1.0)),
        (Start(1, "TestPutNo_TLS-test-0", 1, "etcd"), Start(2, "TestPutTLS-test-0", 3, "etcd")),
    )
    assert [table.is_one_member(result, case) for case in result.cases] == [True, False]


def test_cases_of_one_start_share_it() -> None:
    result = Result((Case("TestWatch/a", "passed", 1.0),), (Start(1, "TestWatch-test-0", 1, "etcd"),))
    assert table.is_one_member(result, result.cases[0])


def test_results_survive_a_run(tmp_path: Path) -> None:
    results = {"TestPut": Result((Case("TestPut", "passed", 1.0),), (Start(1, "TestPut-test-0", 1, "etcd"),))}
    running.save(tmp_path / "results.json", results)
    assert running.load(tmp_path / "results.json") == results
