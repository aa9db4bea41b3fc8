"""etcd's own output, byte for byte, from the numbers of golden snapshots of five releases.

The expected texts are what etcdctl 3.4 and etcdutl 3.5.1, 3.5.35, 3.6.16 and 3.7.3 printed for them, line ends
included (the blank after an empty version is real).
"""

from __future__ import annotations

import pytest

from backstay.cli.render import etcd_tables
from backstay.cli.render.etcd_tables import TableStyle
from backstay.cli.render.json_output import etcd_json
from backstay.values import size_text

HEADER = ("HASH", "REVISION", "TOTAL KEYS", "TOTAL SIZE")
# release, hash, revision, keys, size, version (None: the release has no such column), and three printed texts
CASES = [
    ("3.4.23", 680779408, 239, 149, 856064, None,
     "2893de90, 239, 149, 856 kB",
     "+----------+----------+------------+------------+\n"
     "|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |\n"
     "+----------+----------+------------+------------+\n"
     "| 2893de90 |      239 |        149 |     856 kB |\n"
     "+----------+----------+------------+------------+"),
    ("3.5.1", 2865823972, 237, 192, 843776, None,
     "aad100e4, 237, 192, 844 kB",
     "+----------+----------+------------+------------+\n"
     "|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |\n"
     "+----------+----------+------------+------------+\n"
     "| aad100e4 |      237 |        192 |     844 kB |\n"
     "+----------+----------+------------+------------+"),
    ("3.5.35", 0xAFA9CC1, 115, 145, 69632, None,
     "afa9cc1, 115, 145, 70 kB",
     "+---------+----------+------------+------------+\n"
     "|  HASH   | REVISION | TOTAL KEYS | TOTAL SIZE |\n"
     "+---------+----------+------------+------------+\n"
     "| afa9cc1 |      115 |        145 |      70 kB |\n"
     "+---------+----------+------------+------------+"),
    ("3.6.16", 890404608, 242, 21, 811008, "3.6.0",
     "35127f00, 242, 21, 811 kB, 3.6.0",
     "+----------+----------+------------+------------+---------+\n"
     "|   HASH   | REVISION | TOTAL KEYS | TOTAL SIZE | VERSION |\n"
     "+----------+----------+------------+------------+---------+\n"
     "| 35127f00 |      242 |         21 |     811 kB |   3.6.0 |\n"
     "+----------+----------+------------+------------+---------+"),
    ("3.7.3", 3700677594, 245, 15, 892928, "3.7.0",
     "dc93dbda, 245, 15, 893 kB, 3.7.0",
     "┌──────────┬──────────┬────────────┬────────────┬─────────┐\n"
     "│   HASH   │ REVISION │ TOTAL KEYS │ TOTAL SIZE │ VERSION │\n"
     "├──────────┼──────────┼────────────┼────────────┼─────────┤\n"
     "│ dc93dbda │      245 │         15 │     893 kB │   3.7.0 │\n"
     "└──────────┴──────────┴────────────┴────────────┴─────────┘"),
    ("3.7.3", 0xAFA9CC1, 115, 55, 69632, "",
     "afa9cc1, 115, 55, 70 kB, ",
     "┌─────────┬──────────┬────────────┬────────────┬─────────┐\n"
     "│  HASH   │ REVISION │ TOTAL KEYS │ TOTAL SIZE │ VERSION │\n"
     "├─────────┼──────────┼────────────┼────────────┼─────────┤\n"
     "│ afa9cc1 │      115 │         55 │      70 kB │         │\n"
     "└─────────┴──────────┴────────────┴────────────┴─────────┘"),
]  # fmt: skip


@pytest.mark.parametrize(("release", "crc", "revision", "keys", "size", "version", "simple", "table"), CASES)
def test_snapshot_status(
    release: str, crc: int, revision: int, keys: int, size: int, version: str | None, simple: str, table: str
) -> None:
    row = [f"{crc:x}", revision, keys, size_text(size)]
    header = list(HEADER)
    if version is not None:
        row.append(version)
        header.append("VERSION")
    assert etcd_tables.simple(row) == simple
    assert etcd_tables.table(header, [row], etcd_tables.style_of(release)) == table


def test_hashkv_table_of_3_7() -> None:
    header = ("HASH", "HASH REVISION", "COMPACT REVISION")
    assert etcd_tables.table(header, [(2914402215, 245, 163)], TableStyle.BOX) == (
        "┌────────────┬───────────────┬──────────────────┐\n"
        "│    HASH    │ HASH REVISION │ COMPACT REVISION │\n"
        "├────────────┼───────────────┼──────────────────┤\n"
        "│ 2914402215 │           245 │              163 │\n"
        "└────────────┴───────────────┴──────────────────┘"
    )


def test_fields_keep_the_blank_after_an_empty_value() -> None:
    printed = etcd_tables.fields([("Hash", 2350870864), ("Version", "")])
    assert printed == '"Hash" : 2350870864\n"Version" : '


def test_json_is_what_go_prints() -> None:
    value = {"hash": 890404608, "revision": 242, "totalKey": 21, "totalSize": 811008, "version": "3.6.0"}
    assert etcd_json(value) == '{"hash":890404608,"revision":242,"totalKey":21,"totalSize":811008,"version":"3.6.0"}'
    assert etcd_json("<ä&>\u2028") == '"\\u003cä\\u0026\\u003e\\u2028"'


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (9, "9 B"), (10, "10 B"), (999, "999 B"), (1000, "1.0 kB"), (1050, "1.1 kB"), (20480, "20 kB"),
     (99_999, "100 kB"), (999_999, "1000 kB"), (3_200_000, "3.2 MB"), (64_000_000, "64 MB"), (1_073_741_824, "1.1 GB")],
)  # fmt: skip
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
