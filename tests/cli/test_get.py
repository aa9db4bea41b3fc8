"""`backstay get`: the value in every form, and Secrets that stay off the screen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from backstay.cli.get import is_secret
from backstay.cli.main import run
from backstay.formats import bbolt, mvcc, schema
from backstay.formats.mvcc import KeyValue, Record, RevisionKey

VALUE = b"k8s\x00\n\x1b[31mred\xff"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store with an object, a Secret, an object that is deleted, and a key that is no text."""
    records = [
        Record(RevisionKey(2, 0), KeyValue(b"/registry/pods/default/web", 2, 2, 1, b"old")),
        Record(RevisionKey(3, 0), KeyValue(b"/registry/pods/default/web", 2, 3, 2, VALUE, 0x1A)),
        Record(RevisionKey(4, 0), KeyValue(b"/registry/secrets/default/token", 4, 4, 1, b"hunter2")),
        Record(RevisionKey(5, 0), KeyValue(b"gone", 5, 5, 1, b"1")),
        Record(RevisionKey(6, 0, True), KeyValue(b"gone")),
        Record(RevisionKey(7, 0), KeyValue(b"\x00\xff", 7, 7, 1, b"binary key")),
    ]
    pages: list[bytes] = []
    built = bbolt.build([(schema.KEY, [mvcc.encode_record(record) for record in records])], pages.extend)
    path = tmp_path / "db"
    path.write_bytes(built.meta_pages + b"".join(pages))
    return path


def get(*arguments: object) -> int:
    return run(["get", *map(str, arguments)], {})


WEB = "/registry/pods/default/web"
SECRET = "/registry/secrets/default/token"


def test_raw_writes_the_bytes_and_nothing_else(database: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert get(database, WEB, "--as", "raw") == 0
    assert capfdbinary.readouterr().out == VALUE


def test_the_table_shows_facts_and_text_that_cannot_move_the_cursor(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(database, WEB) == 0
    assert capsys.readouterr().out == (
        "key:             /registry/pods/default/web\n"
        "create revision: 2\n"
        "mod revision:    3\n"
        "version:         2\n"
        "lease:           1a\n"
        "size:            14\n"
        "\n"
        "k8s\\x00\n"
        "\\x1b[31mred\\xff\n"
    )


def test_hex_shows_offsets_and_what_is_ascii(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert get(database, WEB, "--as", "hex") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"00000000  {VALUE.hex(' '):<47}  k8s...[31mred."


@pytest.mark.parametrize(
    ("form", "value"),
    [("text", "k8s\x00\n\x1b[31mred\\xff"), ("hex", VALUE.hex()), ("base64", base64.b64encode(VALUE).decode())],
)
def test_json_names_the_value_after_its_form(
    form: str, value: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(database, WEB, "--as", form, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "key": WEB, "create_revision": 2, "mod_revision": 3, "version": 2, "lease": "1a", "size": len(VALUE), form: value,
    }  # fmt: skip


def test_an_older_revision_and_a_key_that_is_no_text(database: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for arguments, value in (
        ((WEB, "--rev", 2), b"old"),
        (("gone", "--revision", 5), b"1"),
        (("\\x00\\xff",), b"binary key"),
    ):
        assert get(database, *arguments, "--as", "raw") == 0
        assert capfdbinary.readouterr().out == value


def test_a_secret_is_shown_only_when_asked_for(database: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("-o", "json"), ("-o", "yaml"), ("--as", "hex"), ("--as", "base64", "-o", "json")):
        assert get(database, SECRET, *arguments) == 0
        out = capfd.readouterr().out
        assert SECRET in out
        assert not any(leak in out for leak in ("hunter2", b"hunter2".hex(), "aHVudGVyMg", "68 75"))
    assert get(database, SECRET, "--as", "raw") == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "--show-secrets" in captured.err
    for arguments in ((), ("-o", "json"), ("--as", "raw")):
        assert get(database, SECRET, "--show-secrets", *arguments) == 0
        assert "hunter2" in capfd.readouterr().out


def test_what_counts_as_a_secret() -> None:
    assert is_secret(b"/registry/secrets/ns/name")
    assert is_secret(b"/kubernetes.io/secrets/ns/name")
    assert not is_secret(b"/registry/pods/secrets/name")
    assert not is_secret(b"secrets/ns/name")
    assert not is_secret(b"compact_rev_key")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("/nope",), 1, "key-not-found"),
        (("gone",), 1, "key-not-found"),
        (("",), 2, "usage"),
        ((), 2, "usage"),
        ((WEB, "--as", "octal"), 2, "usage"),
        ((WEB, "--rev", "99"), 5, "revision-future"),
    ],
)
def test_refusals(
    arguments: tuple[str, ...], status: int, code: str, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(database, *arguments) == status
    captured = capsys.readouterr()
    assert f"code: {code} " in captured.err
    assert captured.out == ""
