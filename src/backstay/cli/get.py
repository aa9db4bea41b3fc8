"""`backstay get`: one key with its value, from a snapshot, a data directory, a living etcd or a backup, at any revision.

The values of Secrets stay off the screen unless asked for: a terminal is seen, recorded and scrolled back.
"""

from __future__ import annotations

import base64
import sys
from enum import Enum

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import pairs, printable
from backstay.cli.reporting import Reporting
from backstay.cli.sources import Sources, source_options
from backstay.formats.mvcc import KeyValue
from backstay.sources import key_bytes, key_text
from backstay.values import Revision, hex_id

_SECRETS = "/secrets/"
_HEX_ROW_BYTES = 16


class ValueForm(Enum):
    """How the value is written."""

    TEXT = "text"
    HEX = "hex"
    BASE64 = "base64"
    RAW = "raw"


@own_command(
    examples="""
    backstay get backup.db /registry/namespaces/default
    backstay get backup.db /registry/pods/default/web --revision 81234 --as hex
    backstay get /var/lib/etcd /registry/configmaps/kube-system/coredns --as raw > coredns.bin
    backstay get /mnt/backups /registry/pods/default/web --at 2026-11-25T00:10 --identity operator.key
    backstay get live /registry/secrets/default/token --show-secrets -o json
    """
)
@source_options
@output_options
@reporting_options
@click.option(
    "--revision", "--rev", type=click.IntRange(min=0), default=0, help="As of this revision; 0 is the newest."
)
@click.option(
    "--as",
    "form",
    type=click.Choice([each.value for each in ValueForm]),
    default=ValueForm.TEXT.value,
    show_default=True,
    help="How the value is written; `raw` writes its bytes and nothing else.",
)
@click.option("--show-secrets", is_flag=True, help="Show the values of Secrets too.")
@click.argument("source")
@click.argument("wanted", metavar="KEY")
def command(
    *,
    source: str,
    wanted: str,
    revision: int,
    form: str,
    show_secrets: bool,
    sources: Sources,
    output: Format,
    reporting: Reporting,
) -> None:
    """Show KEY of SOURCE: a snapshot file, a data directory, `live`, or a point of a repository.

    KEY is the whole key, with bytes that are no text written `\\xNN`. The value of a Secret is left out unless
    --show-secrets is given.
    """
    key, at = key_bytes(wanted), Revision(revision)
    if not key:
        raise errors.USAGE.error("the key is empty", next_step="list the keys with `backstay keys SOURCE`")
    with sources.open(source, reporting) as opened:
        item = opened.get(key, at)
        if item is None:
            raise errors.KEY_NOT_FOUND.error(
                f"there is no key {key_text(key)}", where=f"{source}, revision {at or opened.revision}"
            )
    _print(item, ValueForm(form), output, is_redacted=is_secret(item.key) and not show_secrets)


def is_secret(key: bytes) -> bool:
    """Whether `key` holds a Secret, whatever the prefix of the API server is (`/registry`, `/kubernetes.io`)."""
    first, _, rest = key.removeprefix(b"/").partition(b"/")
    return bool(first) and f"/{rest.decode('utf-8', 'replace')}".startswith(_SECRETS)


def _print(item: KeyValue, form: ValueForm, output: Format, *, is_redacted: bool) -> None:
    if form is ValueForm.RAW:
        if is_redacted:
            raise errors.USAGE.error(
                f"{key_text(item.key)} is a Secret", next_step="give --show-secrets to have its bytes written"
            )
        sys.stdout.buffer.write(item.value)
        return
    facts: dict[str, Plain] = {
        "key": key_text(item.key),
        "create_revision": item.create_revision,
        "mod_revision": item.mod_revision,
        "version": item.version,
        "lease": hex_id(item.lease) if item.lease else None,
        "size": len(item.value),
    }
    if is_redacted:
        show({**facts, "redacted": True}, output, lambda: f"{_facts(facts)}\n\n(a Secret: --show-secrets shows it)")
        return
    value = _written(item.value, form, is_table=output is Format.TABLE)
    show({**facts, form.value: value}, output, lambda: f"{_facts(facts)}\n\n{value}")


def _facts(facts: dict[str, Plain]) -> str:
    return pairs([(name.replace("_", " "), value) for name, value in facts.items() if value is not None])


def _written(value: bytes, form: ValueForm, *, is_table: bool) -> str:
    if form is ValueForm.BASE64:
        return base64.b64encode(value).decode()
    if form is ValueForm.HEX:
        return _hex_dump(value) if is_table else value.hex()
    text = value.decode("utf-8", "backslashreplace")
    return "\n".join(printable(line) for line in text.split("\n")) if is_table else text


def _hex_dump(value: bytes) -> str:
    """Offset, bytes and what of them is ASCII, sixteen in a row."""
    rows = []
    for offset in range(0, len(value), _HEX_ROW_BYTES):
        row = value[offset : offset + _HEX_ROW_BYTES]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        rows.append(f"{offset:08x}  {row.hex(' '):<47}  {text}")
    return "\n".join(rows)
