"""The arguments that found a cluster mean what they mean to etcd, and what etcd refuses is refused in its words."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.snapshot.restore import check_advertised, new_cluster
from backstay.snapshot.restore.members import check_names_for_directories
from backstay.values import hex_id

THREE = "a=http://127.0.0.1:20031,b=http://127.0.0.1:20041,c=http://127.0.0.1:20051"


def test_ids_are_those_that_etcd_computes() -> None:
    cluster = new_cluster(THREE, "tokR")
    assert {member.name: hex_id(member.id) for member in cluster.members} == {
        "a": "ca8de613ed44e63e",
        "b": "4e84de1c5a6b1777",
        "c": "379c88f6d6daa438",
    }
    assert hex_id(cluster.id) == "6ecce588d5adfbfb"
    assert list(cluster.voters) == sorted(cluster.voters)
    alone = new_cluster("x=http://127.0.0.1:20061", "tok1")
    assert (hex_id(alone.voters[0]), hex_id(alone.id)) == ("2bb9af43886c3b4c", "23d933a15b9b171c")


def test_a_name_may_come_with_several_urls() -> None:
    cluster = new_cluster("a=http://h:2,b=https://[::1]:2380,a=http://h:1,")
    assert cluster.member("a").peer_urls == ("http://h:1", "http://h:2")
    assert cluster.member("b").peer_urls == ("https://[::1]:2380",)


@pytest.mark.parametrize(
    ("initial_cluster", "what"),
    [
        ("default=localhost:2380", "URL scheme must be http, https, unix, or unixs: localhost:2380"),
        ("default", "URL scheme must be http, https, unix, or unixs: "),
        ("default=ftp://localhost:1", "URL scheme must be http, https, unix, or unixs: ftp://localhost:1"),
        ("default=http://localhost", 'URL address does not have the form "host:port": http://localhost'),
        ("default=http://localhost:2380/x", "URL must not contain a path: http://localhost:2380/x"),
        ("a=http://h:1,b=http://h:1", "initial cluster a=http://h:1,b=http://h:1 has duplicate url"),
    ],
)
def test_what_is_no_cluster_is_refused_in_etcds_words(initial_cluster: str, what: str) -> None:
    with pytest.raises(BackstayError) as caught:
        new_cluster(initial_cluster)
    assert caught.value.kind is errors.MEMBERSHIP_INVALID
    assert caught.value.what == what


@pytest.mark.parametrize("initial_cluster", ["", THREE])
def test_the_own_name_must_be_in_the_cluster(initial_cluster: str) -> None:
    with pytest.raises(BackstayError) as caught:
        new_cluster(initial_cluster).member("default")
    assert caught.value.what == 'couldn\'t find local name "default" in the initial cluster configuration'


def test_the_advertised_urls_must_be_those_of_the_cluster() -> None:
    member = new_cluster("a=http://h:1,a=http://h:2").members[0]
    check_advertised(member, "http://h:2, http://h:1")
    with pytest.raises(BackstayError) as missing:
        check_advertised(member, "http://h:1")
    assert missing.value.what == (
        "--initial-cluster has a=http://h:1,a=http://h:2 but missing from --initial-advertise-peer-urls=http://h:1"
    )
    with pytest.raises(BackstayError) as extra:
        check_advertised(member, "http://h:1,http://h:2,http://h:3")
    assert extra.value.what.startswith(
        "--initial-advertise-peer-urls has http://h:3 but missing from --initial-cluster="
    )


@pytest.mark.parametrize("name", ["..", "a/b", "."])
def test_a_name_never_leads_out_of_the_directory(name: str) -> None:
    with pytest.raises(BackstayError):
        check_names_for_directories(new_cluster(f"{name}=http://h:1").members)
