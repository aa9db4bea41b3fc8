"""docs/performance.md: one section for each bench, between two comments of its own; the rest of the page stays as it is.

<!-- server: made by `python -m bench.server --write` -->
...
<!-- /server -->
"""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def put_section(name: str, text: str, document: Path = DOCUMENT) -> None:
    """Put `text` in the place of the section `name`, or behind all others."""
    begin, end = f"<!-- {name}: made by `python -m bench.{name} --write` -->", f"<!-- /{name} -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2].strip()
    parts = [before.rstrip(), f"{begin}\n{text.strip()}\n{end}", *([after] if after else [])]
    document.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def put_head(text: str, document: Path = DOCUMENT) -> None:
    """Put `text` in the place of everything before the first section."""
    _, mark, sections = document.read_text(encoding="utf-8").partition("<!-- ")
    parts = [text.strip(), *([f"{mark}{sections.strip()}"] if mark else [])]
    document.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
