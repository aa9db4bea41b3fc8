"""What a cluster is promised, and what the 3-2-1 rule still wants of its copies."""

from __future__ import annotations

import pytest

from backstay.config.configuration import Cluster, Form, RepositoryEntry
from backstay.config.promise import promise_of
from backstay.policy.tiers import BUILT_IN

OTHER_SYSTEM = "a copy on another storage system"
OTHER_SITE = "a copy at another site"
OBJECT_STORE = "a copy in an object store"
SECOND = "a second copy"
PLAIN = "a plain copy, readable without backstay"


def missing(*locations: str, site: str = "fra", copy_site: str = "ams", form: Form = Form.PLAIN) -> tuple[str, ...]:
    entries = tuple(RepositoryEntry(f"r{n}", each, form, copy_site) for n, each in enumerate(locations))
    return promise_of(Cluster("eu", ("https://h:1",), BUILT_IN["critical"], entries, site=site)).missing


def test_a_disk_and_a_bucket_at_another_site_are_enough() -> None:
    assert missing("/srv/backups", "s3://bucket") == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/srv/a", "file:///mnt/b"),
        ("sftp://u@h/a", "sftp://v@h:2222/b"),
        ("s3://a?endpoint=https://s3.example", "s3://b?endpoint=https://s3.example"),
        ("s3://a?region=eu-1", "s3://b?region=eu-1"),
        ("az://a?account=x", "az://b?account=x"),
    ],
)
def test_what_fails_together_is_one_storage_system(first: str, second: str) -> None:
    assert OTHER_SYSTEM in missing(first, second)


def test_two_regions_are_two_systems() -> None:
    assert missing("s3://a?region=eu-1", "s3://b?region=eu-2") == ()


def test_a_site_that_nobody_named_is_no_other_site() -> None:
    assert missing("/a", "s3://b", site="") == (OTHER_SITE,)
    assert missing("/a", "s3://b", copy_site="") == (OTHER_SITE,)
    assert missing("/a", "s3://b", copy_site="fra") == (OTHER_SITE,)


def test_one_repository_lacks_the_rest() -> None:
    assert missing("/a", copy_site="fra", form=Form.REPOSITORY) == (
        SECOND,
        OTHER_SYSTEM,
        OTHER_SITE,
        OBJECT_STORE,
        PLAIN,
    )
