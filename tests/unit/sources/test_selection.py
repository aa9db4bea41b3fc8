"""How keys and globs are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.sources import Selection, key_bytes, key_text


@given(st.binary(max_size=40))
def test_every_key_has_one_spelling_and_comes_back_from_it(key: bytes) -> None:
    text = key_text(key)
    assert text.isprintable()
    assert key_bytes(text) == key


def test_ordinary_keys_are_spelt_as_they_are() -> None:
    for text in ("/registry/pods/default/web-0", "compact_rev_key", "/registry/ümlaut/名前"):
        assert key_text(text.encode()) == text
        assert key_bytes(text) == text.encode()


@pytest.mark.parametrize(
    ("text", "prefix", "inside", "outside"),
    [
        ("", b"", [b"", b"a", b"\xff"], []),
        (
            "/registry/pods",
            b"/registry/pods",
            [b"/registry/pods", b"/registry/pods/a/b"],
            [b"/registry/podtemplates/a"],
        ),
        (
            "/registry/*/production/*",
            b"/registry/",
            [b"/registry/pods/production/web"],
            [
                b"/registry/pods/production/",
                b"/registry/services/specs/production/web",
                b"/registry/pods/production/a/b",
            ],
        ),
        ("/registry/**/web", b"/registry/", [b"/registry/pods/a/web", b"/registry//web"], [b"/registry/pods/a/web2"]),
        ("*_key", b"", [b"compact_rev_key"], [b"/a_key", b"_key"]),
        ("/a\\*b", b"/a*b", [b"/a*b", b"/a*bc"], [b"/axb"]),
        ("/a\\\\*", b"/a\\", [b"/a\\x"], [b"/a\\", b"/a*"]),
        ("\\xff*", b"\xff", [b"\xff\x00\n"], [b"\xff/", b"a"]),
        ("/a***", b"/a", [b"/a", b"/a/b/c"], [b"/b"]),
        ("/x[0-9].+*", b"/x[0-9].+", [b"/x[0-9].+a"], [b"/x1a"]),
    ],
)
def test_a_selection_means_what_its_text_says(
    text: str, prefix: bytes, inside: list[bytes], outside: list[bytes]
) -> None:
    selection = Selection.parse(text)
    assert selection.prefix == prefix
    assert [key for key in inside if not selection.matches(key)] == []
    assert [key for key in outside if selection.matches(key)] == []
    assert all(key.startswith(prefix) for key in inside)
