"""The scan for line numbers finds every key where it stands, whatever else the text holds."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.config.lines import line_of, lines_of_keys

TRICKY = '''\
# [not.a.header]
title = "a # no comment" # [neither]
many = [ # a list
  "x]", 'y"',
  [1, 2], { a = "}" },
]
text = """
[inside] = "a text"
\\""" still"""""
literal = \'\'\'
key = 1\'\'\'
[ a . "b.c" ] # dotted and quoted
d.e = 1
"\\u0066" = 2
[[list]]
one = 1
[[list]]
two = 2
[late]'''


def test_texts_comments_and_brackets_hide_no_line() -> None:
    assert tomllib.loads(TRICKY)["a"]["b.c"] == {"d": {"e": 1}, "f": 2}
    assert lines_of_keys(TRICKY) == {
        ("title",): 2,
        ("many",): 3,
        ("many", "[0]"): 4,
        ("many", "[1]"): 4,
        ("many", "[2]"): 5,
        ("many", "[3]"): 5,
        ("text",): 7,
        ("literal",): 10,
        ("a",): 12,
        ("a", "b.c"): 12,
        ("a", "b.c", "d"): 13,
        ("a", "b.c", "d", "e"): 13,
        ("a", "b.c", "f"): 14,
        ("list",): 15,
        ("list", "one"): 16,
        ("list", "two"): 18,
        ("late",): 19,
    }


def test_a_key_without_a_line_of_its_own_has_that_of_what_holds_it() -> None:
    lines = lines_of_keys("\n[a]\nb = { c = 1 }\n")
    assert line_of(lines, ("a", "b", "c")) == 3
    assert line_of(lines, ("a", "x")) == 2
    assert line_of(lines, ("x",)) == 1


SCALARS = (
    st.integers(-9, 9).map(str)
    | st.booleans().map(lambda value: str(value).lower())
    | st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))
)
VALUES = (
    SCALARS
    | st.lists(SCALARS, max_size=3).map(lambda each: "[\n" + ",\n".join(each) + "\n]")
    | st.lists(SCALARS, max_size=3).map(
        lambda each: "{ " + ", ".join(f"k{number} = {text}" for number, text in enumerate(each)) + " }"
    )
)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
DOCUMENTS = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4)


@given(DOCUMENTS)
def test_every_key_is_found_where_it_was_written(document: dict[str, dict[str, str]]) -> None:
    written: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for table, keys in document.items():
        written += ["", f"[{table}] # {table}"]
        expected[(table,)] = len(written)
        for key, value in keys.items():
            expected[(table, key)] = len(written) + 1
            if value.startswith("[\n") and value != "[\n\n]":
                for index in range(value.count("\n") - 1):
                    expected[(table, key, f"[{index}]")] = len(written) + 2 + index
            written += f"{key} = {value}".split("\n")
    text = "\n".join(written)
    tomllib.loads(text)
    assert lines_of_keys(text) == expected


@given(st.text(max_size=60) | st.text("[]{}\"'=.#\\a\n ", max_size=30))
def test_every_text_ends(text: str) -> None:
    try:
        parsed: dict[str, Any] | None = tomllib.loads(text)
    except ValueError:
        parsed = None
    if parsed is None:
        try:
            lines_of_keys(text)
        except ValueError:
            return
    else:
        lines = lines_of_keys(text.replace("\r\n", "\n"))
        assert {path[0] for path in lines} == set(parsed)


@pytest.mark.parametrize("size", [200, 2000])
def test_elements_of_a_long_list_have_their_own_lines(size: int) -> None:
    lines = lines_of_keys("a = [" + "1,\n" * size + "]\nb = 1")
    assert (lines[("a",)], lines[("a", f"[{size - 1}]")], lines[("b",)]) == (1, size, size + 2)
    assert len(lines) == size + 2
