"""`backstay run --once` and `status` as a timer and a person meet them: what is due, what fails alone, what is reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay.cli.main import run
from backstay.jobs.automation.metrics import METRICS
from tests.fake_member import FakeMember
from tests.saving import content_of

RECIPIENT = "age1mwp9q5q40wk7kczq4txyh9t4nkckc0vmzlt0p2ec87ml7uykcq6qtljyct"
TEXT = """\
state_dir = "{root}/state"

[repositories.near]
location = "{root}/near"
site = "fra"

[repositories.far]
location = "{root}/far"
site = "ams"

[repositories.files]
form = "plain"
location = "{root}/files"
recipients = ["{recipient}"]

[clusters.eu]
endpoints = ["{endpoint}"]
tier = "critical"
site = "fra"
repositories = ["near", "far", "files"]
"""


class Host:
    """A host with three copies of one cluster."""

    def __init__(self, root: Path, member: FakeMember, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        self.key = root / "operator.key"
        for name in ("near", "far", "files", "tmp"):
            (root / name).mkdir()
        self.configure(member.endpoint)
        self.say("init", "near", "--new-identity", self.key, "--recovery-kit", root / "kit.near")
        public = next(line.split()[-1] for line in self.key.read_text().splitlines() if "public" in line)
        self.say("init", "far", "--recipient", public, "--recovery-kit", root / "kit.far")

    def configure(self, endpoint: str) -> None:
        text = TEXT.format(root=self.root, recipient=RECIPIENT, endpoint=f"http://{endpoint.removeprefix('http://')}")
        (self.root / "backstay.toml").write_text(text, encoding="utf-8")

    def say(self, *words: object, status: int = 0, **environment: str) -> str:
        base = {"BACKSTAY_CONFIG": str(self.root / "backstay.toml"), "TMPDIR": str(self.root / "tmp")}
        found = run([str(each) for each in words], {**base, **environment})
        captured = self._capsys.readouterr()
        assert found == status, captured.out + captured.err
        self.err = captured.err
        return captured.out

    def once(self, *words: object, status: int = 0) -> Any:
        return json.loads(self.say("run", "--once", "--cluster", "eu", *words, "-o", "json", "--quiet", status=status))

    def status(self, status: int) -> Any:
        (found,) = json.loads(self.say("status", "-o", "json", status=status))
        return found

    def forget_when(self) -> None:
        """As if a long time had passed: the next run is due."""
        shutil.rmtree(self.root / "state" / "clusters")


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Host]:
    with FakeMember(content_of("3.6.16")) as member:
        yield Host(tmp_path, member, capsys)


def by_name(said: Any) -> dict[str, Any]:
    return {each["name"]: each for each in said["copies"]}


def test_a_run_saves_to_every_copy_and_the_next_finds_nothing_due(host: Host) -> None:
    said = host.once()
    assert (said["role"], said["exit_status"]) == ("agent", 0)
    assert all(each["point"] and each["verified"] is not None for each in said["copies"])
    assert [each["name"] for each in said["copies"]] == ["near", "far", "files"]
    names = sorted(path.name for path in (host.root / "files").iterdir())
    assert names == [by_name(said)["files"]["point"], f"{by_name(said)['files']['point']}.json"]
    assert names[0].endswith(".db.zst.age")
    idle = host.once()
    assert (idle["copies"], idle["due"], idle["exit_status"]) == ([], {}, 0)
    assert not list((host.root / "tmp").iterdir())


def test_a_dry_run_says_what_would_be_done_and_does_nothing(host: Host) -> None:
    plan = host.once("--dry-run")
    assert plan["due"]
    assert {each["why"] for each in plan["copies"]} == {"nothing is saved yet"}
    assert not (host.root / "state" / "clusters").exists()
    assert not list((host.root / "near").glob("manifests/*"))


def test_a_dead_copy_costs_only_itself_and_catches_up(host: Host) -> None:
    (host.root / "far").rename(host.root / "gone")
    said = host.once(status=3)
    assert by_name(said)["far"]["problem"]["code"] == "storage-absent"
    assert by_name(said)["near"]["point"]
    assert {each["code"] for each in host.status(3)["findings"]} >= {"copy-unreachable", "copies-missing"}
    (host.root / "gone").rename(host.root / "far")
    assert "copy-behind" in {each["code"] for each in host.status(3)["findings"]}
    host.forget_when()
    # Asked, the place says that it has nothing: so it alone is late, and all are served together.
    assert by_name(host.once())["far"]["point"]
    assert "copy-behind" not in {each["code"] for each in host.status(3)["findings"]}


def test_no_copy_or_no_cluster_is_a_failure_and_no_metric_of_success_moves(host: Host) -> None:
    metrics = host.root / "backstay.prom"
    host.once("--metrics-file", metrics)
    good = lines_of(metrics, "backstay_last_success_timestamp_seconds")
    assert len(good) == 3
    host.forget_when()
    host.configure("127.0.0.1:1")
    shutil.copytree(host.root / "near", host.root / "was")
    said = host.once("--metrics-file", metrics, "--dial-timeout", "1s")
    assert said["due"] == {}  # the places say that they have a fresh point
    host.say("config", "check")
    for path in ("near", "far", "files"):
        (host.root / path).rename(host.root / f"{path}.gone")
    host.forget_when()
    host.once(status=8)
    for path in ("near", "far"):
        (host.root / f"{path}.gone").rename(host.root / path)
        shutil.rmtree(host.root / path / "manifests")
    (host.root / "files").mkdir()
    host.forget_when()
    shutil.rmtree(host.root / "state")
    said = host.once("--dial-timeout", "1s", "--metrics-file", metrics, status=12)
    assert said["source_problem"]["code"]
    assert not lines_of(metrics, "backstay_last_success_timestamp_seconds")
    assert lines_of(metrics, "backstay_source_up") == ['backstay_source_up{cluster="eu"} 0.0']


def lines_of(file: Path, name: str) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.startswith(f"{name}{{")]


def test_a_maintainer_measures_the_rto_and_status_says_level_date_and_engine(host: Host) -> None:
    host.once()
    before = host.status(3)
    assert before["rto"]["measured_seconds"] is None
    assert "rto-unmeasured" in {each["code"] for each in before["findings"]}
    said = host.once("--identity", host.key, "--metrics-file", host.root / "m.prom")
    assert said["role"] == "maintainer"
    assert by_name(said)["near"]["rebuilt_seconds"] is not None
    after = host.status(3)
    assert "rto-unmeasured" not in {each["code"] for each in after["findings"]}
    proof = after["rto"]["measured_by"]
    assert (proof["level"] in ("rebuilt", "drilled"), "backstay" in proof["engine"], bool(proof["time"])) == (True,) * 3
    assert lines_of(host.root / "m.prom", "backstay_measured_rto_seconds")
    text = host.say("status", status=3)
    assert "of 15m promised (RPO)" in text
    assert "by backstay" in text
    (only,) = json.loads(host.say("status", "near", "-o", "json"))
    assert only["rpo"]["promised_seconds"] is None
    assert only["copies"][0]["verified"]["level"]


def test_key_services_make_a_maintainer_as_identities_do(host: Host) -> None:
    assert host.once()["role"] == "agent"
    assert host.once("--identity", "kms", status=3)["role"] == "maintainer"


def test_a_person_who_verifies_measures_the_rto_too(host: Host) -> None:
    host.once()
    host.say("verify", "near", "--all", "--level", "rebuilt", "--identity", host.key)
    measured = host.status(3)["rto"]
    assert measured["measured_seconds"] is not None
    assert measured["measured_by"]["level"] == "rebuilt"


def test_who_has_no_identity_can_verify_less_and_accuses_nobody(host: Host) -> None:
    host.once()
    host.say("verify", "near", "--level", "rebuilt", status=3)
    assert "verification-failed" not in {each["code"] for each in host.status(3)["findings"]}
    (run_file,) = (host.root / "near").glob("runs/*/base/*/*/*/*")
    run_file.write_bytes(bytes(run_file.stat().st_size))
    host.say("verify", "near", "--level", "rebuilt", status=4)
    found = host.status(4)
    assert "verification-failed" in {each["code"] for each in found["findings"]}
    assert host.say("status", "near", status=4)


def test_companions_of_the_configuration_are_stored_and_their_absence_is_a_warning(host: Host) -> None:
    config = host.root / "backstay.toml"
    config.write_text(
        config.read_text().replace('site = "fra"\nrepo', f'site = "fra"\ncompanions = ["{host.root}/kit.near"]\nrepo')
    )
    said = host.once()
    assert (said["exit_status"], by_name(said)["near"]["findings"]) == (0, [])
    kinds = {run["class"] for run in json.loads(host.say("show", "near", "-o", "json"))["runs"]}
    assert "companions" in kinds
    host.forget_when()
    (host.root / "kit.near").unlink()
    again = host.once("--scale", "100000", status=3)
    assert by_name(again)["near"]["point"]
    assert by_name(again)["near"]["findings"][0]["code"] == "companion-left-out"


def test_a_state_directory_that_cannot_be_written_costs_no_plain_copy(host: Host) -> None:
    (host.root / "blocked").write_text("a file is where the directory should be")
    said = by_name(host.once("--state-dir", host.root / "blocked" / "state", status=3))
    assert said["files"]["point"]
    assert said["near"]["problem"]["code"] in ("state-unusable", "signing-key-invalid")


def test_two_runs_at_once_are_one(host: Host) -> None:
    from backstay.durable import LocalDisk
    from backstay.jobs.automation.journal import RunJournal

    with RunJournal(host.root / "state", "eu", LocalDisk()).alone():
        host.say("run", "--once", "--cluster", "eu", status=75)
    host.once()


def test_what_is_wrong_with_the_call_is_said_at_once(host: Host) -> None:
    host.say("run", "--cluster", "eu", status=2)
    host.say("run", "--once", "--cluster", "eu1", status=2)
    assert "did you mean `eu`?" in host.err
    host.say("run", "--once", "--cluster", "eu", "--push-to", "http://user:hunter2@gateway", status=2)
    assert "BACKSTAY_PUSH_TO" in host.err
    assert "hunter2" not in host.err


def test_metrics_that_cannot_be_sent_are_a_warning_and_the_points_are_made(host: Host) -> None:
    said = host.once("--push-to", "http://127.0.0.1:1", "--metrics-file", host.root / "absent" / "x.prom", status=3)
    assert (said["exit_status"], [bool(each["point"]) for each in said["copies"]]) == (0, [True] * 3)


def test_keys_beside_the_state_sign_where_the_state_is_lost(host: Host) -> None:
    host.once()
    keys = host.root / "keys"
    keys.write_text("".join(path.read_text() for path in (host.root / "state").glob("*/signing.key")))
    shutil.rmtree(host.root / "state")
    assert host.once()["due"] == {}  # what the places hold is fresh
    soon = ("--scale", "100000")
    without = by_name(host.once(*soon, status=3))
    assert without["near"]["problem"]["code"] == "signing-key-invalid"
    assert without["files"]["point"]
    saved = by_name(host.once(*soon, "--signing-key", keys))
    assert all(saved[name]["note"].startswith("a base") for name in ("near", "far"))


def test_every_metric_has_a_name_of_ours_and_a_unit() -> None:
    for metric in METRICS:
        assert metric.name.startswith("backstay_")
        assert metric.name.endswith(("_seconds", "_up", "_failures", "_missing"))
