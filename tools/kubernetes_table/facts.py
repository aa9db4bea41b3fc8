"""The facts of a field, and the lines of the table that they become. The JSON form is one document:

{"messages": {MESSAGE: [{"number": 1, "json": "name", "type": "string" | MESSAGE | {"map": ["string", TYPE]},
                         "repeated", "pointer", "omitempty", "omitzero", "inline": true,
                         "since": "1.20", "until": "1.24", "was": [{"until": "1.33", FLAG: false}]}]},
 "messageSince": {MESSAGE: "1.27"}, "messageUntil": {MESSAGE: "1.30"}}
"""

from __future__ import annotations

from typing import Any

HEAD = """\
# The types of Kubernetes, written by tools/kubernetes_table: change that, not this. What a line means: table.py.
"""

_FLAGS = {"repeated": "r", "pointer": "p", "omitempty": "o", "omitzero": "z", "inline": "i"}
_SHORTER = (
    ("k8s.io.apimachinery.pkg.apis.", ""),
    ("k8s.io.apimachinery.pkg.api.", ""),
    ("k8s.io.apimachinery.pkg.util.", ""),
    ("k8s.io.apimachinery.pkg.", ""),
    ("k8s.io.apiextensions_apiserver.pkg.apis.", ""),
    ("k8s.io.kube_aggregator.pkg.apis.", ""),
    ("k8s.io.api.", ""),
)


def table_text(facts: dict[str, Any]) -> str:
    """The whole table, messages in the order of their names."""
    since, until = facts["messageSince"], facts["messageUntil"]
    lines = [
        " ".join((short_name(name), since.get(name, "-"), until.get(name, "-"), *map(_field, fields)))
        for name, fields in facts["messages"].items()
    ]
    return HEAD + "\n".join(sorted(lines)) + "\n"


def short_name(name: str) -> str:
    """`core.v1.Pod` for `k8s.io.api.core.v1.Pod`; scalars stay."""
    for start, replacement in _SHORTER:
        if name.startswith(start):
            return replacement + name[len(start) :]
    return name


def type_text(kind: Any) -> str:
    """A type as the table writes it: `{` in front of the type of a map's values."""
    return "{" + short_name(kind["map"][1]) if isinstance(kind, dict) else short_name(kind)


def _field(facts: dict[str, Any]) -> str:
    was = ",".join(f"{each['until']}={_flags({**facts, **each})}" for each in facts.get("was", ()))
    parts = (
        facts["number"],
        facts["json"],
        type_text(facts["type"]),
        _flags(facts),
        facts.get("since", ""),
        facts.get("until", ""),
    )
    return ":".join((*map(str, parts), was)).rstrip(":")


def _flags(facts: dict[str, Any]) -> str:
    return "".join(letter for name, letter in _FLAGS.items() if facts.get(name))
