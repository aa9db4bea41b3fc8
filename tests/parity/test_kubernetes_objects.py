"""Every object of real stores, decoded from their snapshots alone, equals what their own API servers printed.

Three releases, with and without encryption at rest, CBOR, a store that was upgraded, one after a disaster, and one with random
objects of every kind in every version that any release has had.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from backstay.cli.main import run
from tests import kubernetes_cases
from tests.kubernetes_cases import differences

ENCODED = {"key", "modRevision", "createRevision", "version", "encoding"}


@pytest.mark.parametrize("name", kubernetes_cases.NAMES)
def test_every_object_is_what_its_api_server_printed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case(name, tmp_path)
    assert run(["kube", "dump", str(case.snapshot), "--show-secrets", *case.encryption], {}) == 0
    dumped = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = {line["key"]: line for line in case.lines()}
    assert [line["key"] for line in dumped] == sorted(expected, key=str.encode)
    equal, compared, wrong = 0, 0, []
    for line in dumped:
        wanted = expected[line["key"]]
        assert {field: line[field] for field in ENCODED} == {field: wanted[field] for field in ENCODED}
        assert line["size"] == wanted["valueSize"] and line.get("lease", 0) == wanted["lease"]
        assert line["encrypted"] == wanted.get("encrypted", "")
        assert (line["apiVersion"] or None, line["kind"] or None) == (wanted["storedApiVersion"], wanted["storedKind"])
        if not case.is_compared(wanted):
            continue
        compared += 1
        found = set(differences(line["json"], wanted["json"])) - case.excepted(line["key"])
        if found or "problem" in line or "notes" in line:
            wrong.append((line["key"], sorted(found), line.get("problem"), line.get("notes")))
        else:
            equal += 1
    with capsys.disabled():
        click.echo(f"\n{name}: {equal} of {compared} objects as the API server printed them: {equal / compared:.2%}")
    assert not wrong[:5]


@pytest.mark.parametrize("name", kubernetes_cases.NAMES)
def test_the_release_is_told_from_the_data(name: str, tmp_path: Path) -> None:
    from backstay.kube.release import Release
    from backstay.sources import open_source
    from backstay.sources.objects import open_objects

    case = kubernetes_cases.case(name, tmp_path)
    with open_objects(open_source(str(case.snapshot))) as objects:
        assert objects.release == Release.parse(case.facts["kubernetes"])
        assert objects.layout.prefixes == (case.facts["prefix"],)


def test_without_its_keys_exactly_the_encrypted_objects_are_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = kubernetes_cases.case("k1.37.2-mixed", tmp_path)
    encrypted = {line["key"]: line["encrypted"] for line in case.lines() if line.get("encrypted")}
    older = case.directory / "encryption-1.yaml"
    for options, code in (([], "encrypted"), (["--encryption-config", str(older)], "key-missing")):
        assert run(["kube", "dump", str(case.snapshot), *options], {}) == 0
        captured = capsys.readouterr()
        lines = [json.loads(line) for line in captured.out.splitlines()]
        problems = {line["key"]: line["problem"] for line in lines if "problem" in line}
        known = "k8s:enc:aescbc:v1:key1" if options else ""
        assert problems.keys() == {key for key, label in encrypted.items() if label != known}
        assert {problem["code"] for problem in problems.values()} == {code}
        assert all((line["json"] is None) == (line["key"] in problems) for line in lines if line["encoding"] != "text")
        assert f"{len(problems)} keys" in captured.err


def test_values_of_secrets_stay_inside_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = kubernetes_cases.case("k1.37.2", tmp_path)
    secrets = [line["json"] for line in case.lines() if line["key"].startswith("/registry/secrets/")]
    values = {value for each in secrets for value in each.get("data", {}).values() if len(value) > 12}
    assert values
    assert run(["kube", "dump", str(case.snapshot), "secrets"], {}) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(secrets)
    assert not [value for value in values if value in printed]
    assert "<redacted: " in printed
