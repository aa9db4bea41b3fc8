"""`python -m tools.kubernetes_table`: see the package."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from backstay.kube.release import Release
from backstay.kube.schema import Table, shipped_table
from tools import kubernetes_table
from tools.kubernetes_table.facts import short_name, table_text, type_text
from tools.kubernetes_table.merging import merge
from tools.kubernetes_table.modules import Fields, read_release, releases

TABLE = Path(__file__).resolve().parents[2] / "src" / "backstay" / "kube" / "schema" / "messages.txt"


def main(arguments: list[str]) -> int:
    """Write the table, or check it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.kubernetes_table",
        description=kubernetes_table.__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--modules", type=Path, metavar="DIR")
    source.add_argument("--fields", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="compare with the shipped table, write nothing")
    chosen = parser.parse_args(arguments)
    if chosen.fields is not None:
        text = table_text(json.loads(chosen.fields.read_text("utf-8")))
        if chosen.check:
            return _report(
                [] if text == TABLE.read_text("utf-8") else [f"{TABLE.name} is not what {chosen.fields} makes"]
            )
        TABLE.write_text(text, encoding="utf-8")
        return 0
    found = {release: read_release(directories) for release, directories in releases(chosen.modules).items()}
    if not found:
        return _report([f"no k8s.io/api@v0.* below {chosen.modules}"])
    if chosen.check:
        table = shipped_table()
        return _report([line for release, fields in found.items() for line in disagreements(table, release, fields)])
    TABLE.write_text(table_text(merge(found)), encoding="utf-8")
    print(f"wrote {TABLE.name} from {', '.join(found)}")
    return 0


def disagreements(table: Table, release: str, found: Fields) -> list[str]:
    """Where `table` says otherwise than the modules of `release`, a line each."""
    wrong = []
    for name, fields in found.items():
        message = table.find(short_name(name))
        if message is None:
            wrong.append(f"{release}: {short_name(name)} is missing")
            continue
        known = {
            each.number: (
                each.json,
                each.type,
                each.is_map,
                each.is_repeated,
                each.is_pointer,
                each.omits_empty,
                each.is_inline,
            )
            for each in message.fields(Release.parse(release))
            if each.is_known
        }
        for field in fields:
            kind = type_text(field["type"])
            here = (
                field["json"], kind.lstrip("{"), kind.startswith("{"), *(bool(field.get(flag)) for flag in ("repeated", "pointer")),
                bool(field.get("omitempty")), bool(field.get("inline")),
            )  # fmt: skip
            there = known.pop(field["number"], None)
            if there != here:
                wrong.append(f"{release}: {short_name(name)} field {field['number']}: modules {here}, table {there}")
        wrong.extend(f"{release}: {short_name(name)} field {number} is only in the table" for number in known)
    return wrong


def _report(lines: list[str]) -> int:
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
