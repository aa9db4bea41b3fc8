"""`get` and `keys` on a repository: by address, directory or name, at a point or a revision of its history."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.sources import key_text
from tests.backing_up import CANARY, Cluster
from tests.cli.test_repository import Desk


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk, cluster = Desk(tmp_path, capsys), Cluster()
    desk.found()
    cluster.put(b"/registry/pods/default/web", b"one")
    desk.back_up(cluster, "--tag", "first")
    cluster.put(b"/registry/pods/default/web", b"two")
    cluster.put(b"/registry/pods/default/web", CANARY)
    desk.back_up(cluster)
    return desk


def test_a_key_is_read_at_any_point_and_at_any_revision_between(desk: Desk) -> None:
    def value(source: object, *options: object) -> str:
        return str(desk.json("get", source, "/registry/pods/default/web", "-i", desk.key, *options)["text"])

    for source in (desk.place, desk.place.as_uri()):
        assert value(source) == CANARY.decode()
        assert value(source, "--at", "first") == "one"
        assert value(f"{source}@first") == "one"
        assert value(source, "--at", "3") == "two"
        assert value(source, "--revision", "3") == "two"
        listed = desk.json("keys", source, "/registry/", "-i", desk.key)
        assert [each["key"] for each in listed] == [key_text(b"/registry/pods/default/web")]
    stored = [path for path in desk.directory.rglob("*") if path.is_file() and path.suffix != ".db"]
    assert not [path for path in stored if CANARY in path.read_bytes()]


def test_a_configured_name_is_a_source_too(desk: Desk) -> None:
    config = desk.directory / "backstay.toml"
    config.write_text(f'[repositories.nightly]\nlocation = "{desk.place}"\n')
    arguments = ("keys", "nightly", "--count", "--config", config, "-i", desk.key)
    assert desk.json(*arguments) == {"revision": 4, "keys": 1}
    assert desk.json("keys", "nightly@first", "--count", "--config", config, "-i", desk.key)["revision"] == 2
    assert desk.run("keys", "absent", "--config", config) != 0
    assert "absent" in desk.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--at", "999"), 5),
        (("--at", "nonsense:1"), 2),
        (("--at", "2020-01-01"), 5),
        (("--revision", "99"), 5),
    ],
)
def test_what_is_not_held_is_refused(desk: Desk, arguments: tuple[str, ...], status: int) -> None:
    assert desk.run("keys", desk.place, "-i", desk.key, *arguments) == status, desk.err


def test_a_point_of_something_that_is_no_repository_is_refused(desk: Desk) -> None:
    assert desk.run("keys", desk.directory / "2.db", "--at", "latest") == 2
    assert "no repository" in desk.err
    assert desk.run("keys", f"{desk.place}@first", "--at", "latest", "-i", desk.key) == 2
    assert desk.run("keys", desk.place) == 7


def test_a_remote_repository_is_read_once_and_kept_encrypted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from backstay import blobs
    from backstay.blobs.local import LocalStore
    from backstay.blobs.metered import MeteredStore
    from backstay.clock import SystemClock

    metered = MeteredStore(LocalStore(desk.place), SystemClock())
    monkeypatch.setattr(blobs, "open_store", lambda where, environment: metered)
    cache, kept = desk.directory / "cache", []
    for option in (cache, cache, "none"):
        before = metered.usage()["get"].calls
        asked = ("get", "s3://bucket/etcd", "/registry/pods/default/web", "-i", desk.key, "--cache", option)
        assert desk.json(*asked)["text"] == CANARY.decode()
        kept.append(metered.usage()["get"].calls - before)
    assert kept[1] < kept[0] <= kept[2]
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if CANARY in path.read_bytes()]
    # Where a directory is not said it is the user's own, and never that of somebody without a home.
    assert desk.json(*asked[:-2], HOME=str(desk.directory / "home"))["text"] == CANARY.decode()
    assert (desk.directory / "home/.cache/backstay").is_dir()
    assert desk.json("keys", desk.place, "--cache", desk.directory / "own", "-i", desk.key)
    assert not (desk.directory / "own").exists()
