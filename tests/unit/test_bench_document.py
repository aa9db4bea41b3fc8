"""The page of measurements: every bench replaces its own section and nobody else's."""

from __future__ import annotations

from pathlib import Path

from bench.document import put_head, put_section


def test_each_section_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Performance\n")
    for name in ("server", "repository", "kubernetes"):
        put_section(name, f"first of {name}", page)
    put_section("repository", "second of repository", page)
    put_section("server", "second of server", page)
    put_head("# Measured anew", page)
    text = page.read_text()
    said = [line for line in text.splitlines() if line and not line.startswith("<!--")]
    assert said == ["# Measured anew", "second of server", "second of repository", "first of kubernetes"]
    put_section("kubernetes", "first of kubernetes", page)
    assert page.read_text() == text
