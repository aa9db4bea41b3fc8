"""Keys as people and JSON write them: text, with what is no text escaped, so that every key has exactly one spelling.

b"/registry/pods/default/web"    /registry/pods/default/web
b"/app/\\x00\\xff"                 /app/\\x00\\xff
b"a\\\\b"                          a\\\\b
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[\\*])")


def key_text(key: bytes) -> str:
    """The spelling of `key`: backslashes doubled, bytes that are no printable UTF-8 as `\\xNN`."""
    text = key.replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def key_bytes(text: str) -> bytes:
    """The key that `text` spells; a backslash that begins no escape stands for itself, and `\\*` is an asterisk."""
    return _ESCAPE.sub(_unescaped, text.encode("utf-8", "surrogateescape"))


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode())


def _unescaped(found: re.Match[bytes]) -> bytes:
    inner = found[1]
    return bytes([int(inner[1:], 16)]) if inner[:1] == b"x" else inner
