"""The house rules find what they are for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_house

SLASH = "/"  # a path written out here would break the rule that it tests


def breaches(tmp_path: Path, path: str, text: str) -> list[str]:
    """What the rules say of one file with this text."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text, encoding="utf-8")
    return [str(breach) for breach in check_house.check_file(tmp_path, path)]


@pytest.mark.parametrize("place", [f"{SLASH}work/main", f"{SLASH}root/.cache", f"{SLASH}home/jane/x"])
def test_a_directory_of_one_machine_is_found(tmp_path: Path, place: str) -> None:
    assert "names a directory of one machine" in breaches(tmp_path, "docs/a.md", f"\nsee {place}\n")[0]
    assert breaches(tmp_path, "docs/a.md", f"see {place} <!-- house: allow-path -->\n") == []


@pytest.mark.parametrize(
    "text", [f"src{SLASH}home/view.py", f"~{SLASH}work/x", f"{SLASH}homework/x", f"tests{SLASH}root/x"]
)
def test_a_relative_path_is_no_breach(tmp_path: Path, text: str) -> None:
    assert breaches(tmp_path, "docs/a.md", text) == []


def test_a_module_without_docstring_is_found(tmp_path: Path) -> None:
    assert "give it a docstring" in breaches(tmp_path, "src/backstay/a.py", "x = 1\n")[0]
    assert breaches(tmp_path, "src/backstay/__init__.py", "") == []
    assert breaches(tmp_path, "src/backstay/etcd/pb/a_pb2.py", "x = 1\n") == []


def test_printing_is_for_the_command_line(tmp_path: Path) -> None:
    text = '"""Something."""\nprint(1)\n'
    assert breaches(tmp_path, "src/backstay/jobs/a.py", text) == ["src/backstay/jobs/a.py:2: only `cli` prints"]
    assert breaches(tmp_path, "src/backstay/cli/a.py", text) == []
    assert breaches(tmp_path, "tools/a.py", text) == []


def test_long_files_are_warned_of_and_longer_ones_refused(tmp_path: Path) -> None:
    head = '"""Something."""\n'
    assert breaches(tmp_path, "src/backstay/a.py", head + "\n" * 399) == []
    assert "warning: 401 lines" in breaches(tmp_path, "src/backstay/a.py", head + "\n" * 400)[0]
    assert "701 lines, at most 700" in breaches(tmp_path, "src/backstay/a.py", head + "\n" * 700)[0]
    assert breaches(tmp_path, "tests/a.py", head + "\n" * 590) == []


def test_a_lock_names_no_registry(tmp_path: Path) -> None:
    assert "must not name a registry" in breaches(tmp_path, "a.lock", "--index-url something\n")[0]
    assert breaches(tmp_path, "a.lock", "click==8.2 \\\n    --hash=sha256:00\n") == []


def test_this_project_is_checked_file_by_file() -> None:
    files = check_house.project_files(check_house.ROOT)
    assert "tools/check_house.py" in files
    assert not any(name.startswith((".venv", ".git/")) for name in files)
