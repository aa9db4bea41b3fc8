"""More than a hundred generated mistakes: each is refused with its file, its line, and what to write instead."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.config.reading import LARGEST_FILE, LONGEST_LINE, Reading, read
from backstay.errors import BackstayError

FILE = "deploy/backstay.toml"
RECIPIENT = "age1mwp9q5q40wk7kczq4txyh9t4nkckc0vmzlt0p2ec87ml7uykcq6qtljyct"
GOOD = f"""\
# An example that has nothing wrong.
state_dir = "/var/lib/backstay"

[tiers.payments]
like = "critical"
every = "10m"
keep = "60d"
rto = "4m"
rpo = "10m"

[repositories.near]
location = "sftp://backup@storage.example/srv/etcd"
site = "fra"

[repositories.plain]
form = "plain"
location = "file:///srv/plain"
recipients = ["{RECIPIENT}"]

[clusters.eu]
endpoints = ["https://10.0.0.11:2379"]
cacert = "/pki/ca.crt"
cert = "/pki/client.crt"
key = "/pki/client.key"
user = "backup"
site = "ber"
tier = "payments"
repositories = ["near", "plain"]
"""
CLUSTER = (
    "endpoints", "cacert", "cert", "key", "user", "site", "tier", "repositories", "companions", "companion_recipients",
)  # fmt: skip
REPOSITORY = ("location", "form", "site", "recipients", "identity")
TIER = ("like", "every", "keep", "rto", "rpo")
HEADERS = {"[tiers.payments]": TIER, "[repositories.near]": REPOSITORY, "[clusters.eu]": CLUSTER}


class Case(NamedTuple):
    """One mistake: the line of GOOD that is replaced, by what, what is suggested, and which of the new lines is named."""

    old: str
    new: str
    suggestion: str
    at: int = 0


def line(key: str) -> str:
    """The first line of GOOD that gives `key`."""
    return next(each for each in GOOD.splitlines() if each.startswith(f"{key} ="))


def misspelled(word: str) -> list[str]:
    """As hands slip: a letter left out, two swapped, one doubled."""
    middle = len(word) // 2
    return [
        word[:middle] + word[middle + 1 :],
        word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :],
        word[:middle] + word[middle] + word[middle:],
    ]


UNKNOWN_KEYS = [
    Case(header, f'{header}\n{wrong} = "x"', f"did you mean `{key}`?", at=1)
    for header, keys in HEADERS.items()
    for key in keys
    for wrong in misspelled(key)
    if len(key) > 3 and wrong not in keys
]
OTHER_WORDS = [
    Case(header, f"{header}\n{wrong} = 1", suggestion, at=1)
    for header, wrong, suggestion in (
        ("[repositories.near]", "url", "`location`"),
        ("[repositories.near]", "type", "`form`"),
        ("[repositories.near]", "region", "`site`"),
        ("[repositories.near]", "secret_key", "the environment"),
        ("[repositories.near]", "zzz", "leave it out"),
        ("[tiers.payments]", "schedule", "`every`"),
        ("[tiers.payments]", "retention", "`keep`"),
        ("[tiers.payments]", "extends", "`like`"),
        ("[clusters.eu]", "trusted-ca-file", "`cacert`"),
        ("[clusters.eu]", "cert-file", "`cert`"),
        ("[clusters.eu]", "hosts", "`endpoints`"),
        ("[clusters.eu]", "username", "`user`"),
        ("[clusters.eu]", "policy", "`tier`"),
        ("[clusters.eu]", "password", "the environment"),
        ("[clusters.eu]", "token", "the environment"),
        ("[clusters.eu]", '"a \\n b"', "leave it out"),
    )
]
PERIODS = [
    Case(line(key), f"{key} = {wrong}", suggestion)
    for key in ("every", "keep", "rto", "rpo")
    for wrong, suggestion in (
        ('"15 minutes"', '"15m"'),
        ('"hourly"', '"1h"'),
        ('"2H"', '"2h"'),
        ('"007d"', '"7d"'),
        ("15", '"15m" if minutes'),
        ('""', "fill it in"),
        ("true", "in quotes"),
        ("07:32:00", "in quotes"),
    )
]
PATHS = [
    Case(line("location"), 'location = "s3://b/p?endpoint=https://h&path-style=true"', "write it after"),
    Case(line("location"), 'location = "s3://b/p?endpoint=http://h"', "write it after"),
    Case(line("location"), 'location = "s3://b/p?endpoint=h:9000"', "write it after"),
    Case(line("user"), 'companions = ["kubadm"]', '"kubeadm"'),
    Case(line("user"), 'companions = "kubeadm"', '["kubeadm"]'),
    Case(line("user"), f'companion_recipients = ["{RECIPIENT}"]', 'companions = ["kubeadm"]'),
    Case(line("user"), 'companions = ["kubeadm"]\ncompanion_recipients = ["ssh-ed25519 AAAA"]', "copy it whole", at=1),
    Case(line("state_dir"), 'state_dir = "state"', "if that is it"),
    Case(line("state_dir"), "state-dir = 1", "`state_dir`"),
    Case("[repositories.near]", '[repositories.near]\nidentity = "operator.key"', "if that is it", at=1),
    Case("[repositories.near]", '[repositories.near]\nidentity = "AGE-SECRET-KEY-1QQ"', "in a file", at=1),
    Case("[repositories.near]", '[repositories.near]\nevery = "1h"', "write a tier", at=1),
    Case("[repositories.near]", '[repositories.near]\nkeep = "7d"', 'keep = "60d"', at=18),
    Case("[repositories.near]", "[repositories.near]\nrequires_copy = true", "add a repository", at=18),
    Case("[repositories.near]", '[repositories.near]\nlock = "yes"', "write true, without quotes", at=1),
    Case("[repositories.near]", "[repositories.near]\nlock = 0", "write false", at=1),
    Case("[repositories.near]", "[repositories.near]\nobject_lock = true", "did you mean `lock`?", at=1),
    Case("[repositories.plain]", "[repositories.plain]\nlock = true", "leave it out", at=1),
    Case("[repositories.plain]", "[repositories.plain]\nrequires_copy = false", "leave it out", at=1),
    Case("[repositories.plain]", '[repositories.plain]\nevery = "1 hour"', '"1h"', at=1),
    Case("[repositories.plain]", '[repositories.plain]\nevery = "1d"\nkeep = "6h"', 'keep = "1d"', at=2),
    Case("[repositories.plain]", '[repositories.plain]\nidentity = "/keys/operator"', "leave it out", at=1),
]
VALUES = [
    Case(old, f"{old.partition(' = ')[0]} = {wrong}", suggestion, *at)
    for old, wrong, suggestion, *at in (
        (line("like"), '"critcal"', '"critical"'),
        (line("like"), '"payments"', "one of development"),
        (line("location"), '"stfp://backup@storage.example/srv"', "docs/reference"),
        (line("location"), '"s3a://bucket/etcd"', '"s3://bucket/etcd"'),
        (line("location"), '"s3:///etcd"', "docs/reference"),
        (line("location"), '"sftp://u:secret@h/d"', "docs/reference"),
        (line("location"), '"backups"', '"/srv/backups"'),
        (line("location"), '"file://backups"', "docs/reference"),
        (line("location"), '"/srv/plain/"', "another place", 5),
        (line("location"), "[]", "in quotes"),
        (line("form"), '"plane"', '"plain"'),
        (line("form"), '"zip"', "repository, plain"),
        (line("recipients"), f'"{RECIPIENT}"', f'["{RECIPIENT}"]'),
        (line("recipients"), f'["{RECIPIENT[:-1]}"]', "copy it whole"),
        (line("recipients"), '["AGE-SECRET-KEY-1ABC"]', "the public one"),
        (line("recipients"), "[]", "at least one"),
        (line("endpoints"), '"https://a:1,https://b:1"', '["https://a:1", "https://b:1"]'),
        (line("endpoints"), '["https://10.0.0.11"]', '"https://10.0.0.11:2379"'),
        (line("endpoints"), '["tcp://10.0.0.11:2379"]', '"https://10.0.0.11:2379"'),
        (line("endpoints"), '["https://10.0.0.11:99999"]', "up to 65535"),
        (line("endpoints"), '["https://a:1/health"]', '"https://a:1"'),
        (line("endpoints"), '["https://root:pw@a:1"]', "BACKSTAY_PASSWORD"),
        (line("endpoints"), '["https://a:1", "https://a:1"]', "one of the two"),
        (line("endpoints"), "[1]", '"1"'),
        (line("endpoints"), "{ a = 1 }", '["...", "..."]'),
        (line("cacert"), '"ca.crt"', '"/etc/kubernetes/pki/etcd/ca.crt"'),
        (line("cert"), '"~/client.crt"', "/client.crt"),
        (line("user"), '"root:hunter2"', '"root"'),
        (line("site"), '"Frankfurt am Main"', "Frankfurt-am-Main"),
        (line("tier"), '"paymnets"', '"payments"'),
        (line("tier"), '"prod"', '"production"'),
        (line("repositories"), '["naer", "plain"]', '"near"'),
        (line("repositories"), '["near", "near"]', "one of the two"),
        (line("repositories"), '"near, plain"', '["near", "plain"]'),
    )
]
STRUCTURE = [
    Case("[clusters.eu]", "[cluster.eu]", "did you mean `clusters`?"),
    Case("[clusters.eu]", "[clusters.'e u']", "call it e-u"),
    Case("[clusters.eu]", "[[clusters.eu]]", "[clusters.eu]"),
    Case("[tiers.payments]", '[tiers.critical]\n[tiers.payments]', "call it own-critical"),
    Case(line("every"), 'every = "2h"', 'every = "10m"'),
    Case(line("rpo"), 'rpo = "1m"', 'rpo = "5m"'),
    Case(line("keep"), 'keep = "5m"', 'keep = "10m"'),
    Case(line("recipients"), "", "[\"age1...\"]", at=-3),
    Case(line("form"), "", "backstay recipient", at=2),
    Case(line("location"), "", "location =", at=-1),
    Case(line("endpoints"), "", "endpoints =", at=-1),
    Case(line("tier"), "", "tier =", at=-7),
    Case(line("repositories"), "", "repositories =", at=-8),
    Case(line("cert"), "", "cert = ", at=1),
    Case(line("key"), "", "key = ", at=-1),
]  # fmt: skip
SYNTAX = [
    Case(line("every"), "every = 10m", "in quotes"),
    Case(line("every"), "every = tenminutes", "in quotes"),
    Case(line("every"), 'every "10m"', "key = "),
    Case(line("every"), 'every: "10m"', "key = "),
    Case(line("every"), 'every = "10m', "with its quote"),
    Case(line("every"), 'every = "10m" keep = "1d"', "one key on a line"),
    Case(line("every"), 'every = "\\d"', "backslash"),
    Case(line("every"), f"{line('every')}\n{line('every')}", "one of the two", at=1),
    Case("[clusters.eu]", "[clusters.eu", "close the header"),
    Case("[clusters.eu]", "[repositories.near]", "under one header"),
    Case(line("every"), f'every = "{"x" * LONGEST_LINE}"', "its own line"),
]
CASES = [*UNKNOWN_KEYS, *OTHER_WORDS, *PERIODS, *PATHS, *VALUES, *STRUCTURE, *SYNTAX]


def spoilt(*cases: Case) -> tuple[str, list[int]]:
    """GOOD with mistakes, and the line of each; lines are counted by where the replacements end up."""
    written: list[str] = []
    at: list[int] = []
    for each in GOOD.splitlines():
        chosen = [case for case in cases if case.old == each]
        if not chosen:
            written.append(each)
            continue
        start = len(written) + 1
        if len(chosen) == 1:
            at.append(start + chosen[0].at)
            written += chosen[0].new.split("\n")
        else:  # several keys below one header
            written.append(each)
            for case in chosen:
                written.append(case.new.split("\n")[1])
                at.append(len(written))
    return "\n".join(written) + "\n", at


def refused(reading: Reading) -> str:
    with pytest.raises(BackstayError) as caught:
        reading.require(FILE)
    assert caught.value.kind.code == "configuration-invalid"
    return caught.value.why


def test_the_document_without_a_mistake_is_read() -> None:
    found = read(GOOD.encode()).require(FILE)
    assert found.clusters["eu"].tier.name == "payments"
    assert [each.name for each in found.clusters["eu"].repositories] == ["near", "plain"]
    assert str(found.clusters["eu"].tier.every) == "10m"


def test_there_are_more_than_a_hundred_different_mistakes() -> None:
    assert len({spoilt(case)[0] for case in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"\W+", "-", case.new[:60]))
def test_every_mistake_is_refused_with_file_line_and_suggestion(case: Case) -> None:
    text, (number,) = spoilt(case)
    why = refused(read(text.encode()))
    assert len(why.splitlines()) == 1, why
    assert why.startswith(f"{FILE}:{number}: "), why
    assert "; expected " in why
    assert case.suggestion in why.rpartition("; ")[2], why


@given(
    st.lists(st.sampled_from(UNKNOWN_KEYS), min_size=1, max_size=12, unique_by=lambda case: case.new), st.integers(0, 9)
)
def test_all_mistakes_are_reported_at_once(cases: list[Case], blank_lines: int) -> None:
    unique = list({case.new.split("\n")[1] + case.old: case for case in cases}.values())
    text, numbers = spoilt(*unique)
    reading = read(("\n" * blank_lines + text).encode())
    assert [each.line for each in reading.mistakes] == sorted(number + blank_lines for number in numbers)
    assert all(each.problem == "unknown key" for each in reading.mistakes)


def test_every_wrong_element_of_a_list_has_its_own_line() -> None:
    listed = 'endpoints = [\n  "https://a:1", # fine\n  "https://b",\n  "tcp://c:1", "https://a:1",\n]'
    mistakes = read(GOOD.replace(line("endpoints"), listed).encode()).mistakes
    first = GOOD.splitlines().index(line("endpoints")) + 1
    assert [(each.line - first, each.key) for each in mistakes] == [
        (2, "clusters.eu.endpoints[1]"),
        (3, "clusters.eu.endpoints[2]"),
        (3, "clusters.eu.endpoints[3]"),
    ]


def test_of_many_names_only_some_are_listed() -> None:
    many = "".join(f'[repositories.r{number}]\nlocation = "/srv/{number}"\n' for number in range(40))
    (mistake,) = read((GOOD.replace('["near", "plain"]', '["nowhere"]') + many).encode()).mistakes
    assert mistake.expected.endswith("r9 and 30 more")


def test_what_depends_on_a_mistake_is_not_complained_about_again() -> None:
    text = GOOD.replace('rpo = "10m"', 'rpo = "ten"').replace("sftp://", "ftp://")
    assert [each.key for each in read(text.encode()).mistakes] == ["tiers.payments.rpo", "repositories.near.location"]


@pytest.mark.parametrize("secret", ["hunter2", "AGE-SECRET-KEY-1QQQQ"])
def test_a_secret_is_never_repeated(secret: str) -> None:
    for old, new in (
        (line("user"), f'user = "root:{secret}"'),
        (line("location"), f'location = "sftp://u:{secret}@h/d"'),
        (line("endpoints"), f'endpoints = ["https://root:{secret}@h:1"]'),
        ("[clusters.eu]", f'[clusters.eu]\npassword = "{secret}"'),
    ):
        assert secret not in refused(read(GOOD.replace(old, new).encode()))
    for written in ('["AGE-SECRET-KEY-1QQQQ"]', '"AGE-SECRET-KEY-1QQQQ"'):
        assert "1QQQQ" not in refused(read(GOOD.replace(line("recipients"), f"recipients = {written}").encode()))


@given(st.binary(max_size=80) | st.text("[]{}=\"'.\n#ab1 ", max_size=60).map(str.encode))
def test_whatever_the_file_holds_it_is_read_or_refused(content: bytes) -> None:
    reading = read(content)
    assert (reading.configuration is None) == bool(reading.mistakes)
    assert all(1 <= each.line <= content.count(b"\n") + 1 and each.suggestion for each in reading.mistakes)


def test_hostile_files_are_refused_soon() -> None:
    assert read(b"a = 1\n" * LARGEST_FILE).mistakes
    nested = b"a = " + b"[" * (LONGEST_LINE - 10)
    assert "nested" in read(nested).mistakes[0].problem
    assert read(b"a=" + b"9" * 2000).mistakes
    assert read(b"\xff").mistakes[0].line == 1
    assert read(b"# a\n# \xff").mistakes[0].line == 2


def test_line_ends_of_windows_change_nothing() -> None:
    case = PERIODS[0]
    text, (number,) = spoilt(case)
    assert [each.line for each in read(text.replace("\n", "\r\n").encode()).mistakes] == [number]
