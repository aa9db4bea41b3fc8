"""The page about an etcd inside a test keeps its word: its code is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/guide/testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

pytest_plugins = ["pytester"]


def test_the_tests_of_the_page_pass(pytester: pytest.Pytester) -> None:
    blocks = [each for each in BLOCKS if "def test_" in each]
    pytester.makepyfile(**{f"test_page_{number}": block for number, block in enumerate(blocks)})
    count = sum(each.count("def test_") for each in blocks)
    assert count >= 4
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=count)


def test_the_program_of_the_page_runs() -> None:
    (program,) = (each for each in BLOCKS if "def test_" not in each)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ETCDCTL_ENDPOINTS" in done.stdout
