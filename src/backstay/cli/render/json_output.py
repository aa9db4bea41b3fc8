"""JSON: one compact line in a pipe, indented on a terminal, and exactly etcd's for the commands that etcd has.

Pure. Keys keep the order in which they are given; they are stable API. Text stays UTF-8.
"""

from __future__ import annotations

import json

from backstay.cli.render.plain import plain

_COMPACT = (",", ":")
# Go's encoder writes these so that JSON may stand inside HTML; scripts that compare bytes see the difference.
_GO_ESCAPES = str.maketrans({each: f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"})


def json_text(value: object, *, pretty: bool) -> str:
    """`value` as our own commands print it: `pretty` when stdout is a terminal."""
    if pretty:
        return json.dumps(plain(value), ensure_ascii=False, indent=2)
    return json.dumps(plain(value), ensure_ascii=False, separators=_COMPACT)


def etcd_json(value: object) -> str:
    """`value` as Go's `encoding/json` prints it, which is what etcd's tools do, always on one line."""
    return json.dumps(plain(value), ensure_ascii=False, separators=_COMPACT).translate(_GO_ESCAPES)
