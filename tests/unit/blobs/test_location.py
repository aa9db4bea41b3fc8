"""Locations of blob stores: what is understood, what is refused and why, and what a location becomes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backstay import errors
from backstay.blobs import Answer, open_store, parse_location
from backstay.blobs.azure import AzureBlobStore, azure_options
from backstay.blobs.gcs import GcsBlobStore, gcs_options
from backstay.blobs.local import LocalStore
from backstay.blobs.s3 import S3BlobStore
from backstay.blobs.sftp import SftpStore


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("/mnt/backups", "/mnt/backups"),
        ("backups", "backups"),
        ("file:///mnt/with%20space", "/mnt/with space"),
        ("s3://Bucket.Name/a/b/", "s3://Bucket.Name/a/b"),
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/a?endpoint=https://s3.example&region=eu-1&path-style=yes&checksum=none", "s3://bucket/a"),
        ("az://container/a/b?account=name", "az://container/a/b"),
        ("gs://bucket/a/b", "gs://bucket/a/b"),
        ("sftp://user@host:2222/srv/backups", "sftp://user@host:2222/srv/backups"),
        ("sftp://host/~/backups", "sftp://host/~/backups"),
        ("sftp://[::1]:22/srv", "sftp://[::1]:22/srv"),
    ],
)
def test_a_location_is_understood(text: str, normal: str) -> None:
    assert str(parse_location(text)) == normal


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("ftp://host/a", "not one of file, s3, az, gs, sftp"),
        ("sftp://user:sesame@host/a", "password"),
        ("s3://key:sesame@bucket/a", "password"),
        ("s3:///a", "bucket is missing"),
        ("s3://bucket:99/a", "endpoint"),
        ("s3://bucket/a?colour=red", "colour"),
        ("s3://bucket/a#b", "%23"),
        ("az:///a", "container is missing"),
        ("az://container:99/a", "endpoint"),
        ("az://container/a?region=eu-1", "region"),
        ("az://container/a", "account is missing"),
        ("az://container/a?account=name&endpoint=http://azure.example/name", "plain http"),
        ("az://container/a?account=name&allow-http=yes", "endpoint"),
        ("gs:///a", "bucket is missing"),
        ("gs://bucket/a?account=name", "account"),
        ("gs://bucket/a?endpoint=http://google.example", "plain http"),
        ("gs://bucket/a?allow-http=yes", "endpoint"),
        ("sftp://host", "directory is missing"),
        ("sftp:///srv", "host is missing"),
        ("sftp://host:port/srv", "[Pp]ort"),
        ("sftp://host/srv?region=x", "region"),
        ("file://elsewhere/a", "absolute"),
        ("s3://bucket/a?endpoint=http://s3.example", "plain http"),
        ("s3://bucket/a?endpoint=s3.example", "URL"),
        ("s3://bucket/a?endpoint=https://s3.example&path-style=maybe", "yes"),
        ("s3://bucket/a?checksum=md5", "checksum"),
        ("s3://bucket/a?allow-http=yes", "endpoint"),
        ("sftp://host/srv", "user is missing"),
    ],
)
def test_a_wrong_location_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(errors.BackstayError, match=says) as caught:
        open_store(text, {})
    assert caught.value.kind is errors.LOCATION_INVALID
    assert "sesame" not in str(caught.value)


def test_a_prefix_climbs_nowhere() -> None:
    with pytest.raises(errors.BackstayError) as caught:
        parse_location("s3://bucket/a/../b")
    assert caught.value.kind is errors.BLOB_NAME_INVALID


def test_each_scheme_has_its_driver(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path), {}), LocalStore)
    for endpoint in ("http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:1", "https://s3.example"):
        assert isinstance(open_store(f"s3://bucket/a?endpoint={endpoint}", {}), S3BlobStore)
    assert isinstance(open_store("s3://bucket/a?endpoint=http://s3.example&allow-http=yes", {}), S3BlobStore)
    assert isinstance(open_store("s3://bucket", {"AWS_ENDPOINT_URL_S3": "https://s3.example"}), S3BlobStore)
    store = open_store(
        "sftp://host/~/backups", {"USER": "me", "HOME": str(tmp_path), "BACKSTAY_SFTP_PASSWORD": "sesame"}
    )
    assert isinstance(store, SftpStore)
    assert store.location == "sftp://me@host:22/backups"
    assert "sesame" not in repr(store._options)
    store.close()


def test_azure_is_told_what_its_own_tools_are_told() -> None:
    key = "c2VzYW1l"
    options = azure_options("container", "a", {"account": "name"}, {"AZURE_STORAGE_KEY": key})
    assert (options.account, options.account_key, options.endpoint) == ("name", key, "")
    assert key not in repr(options)
    store = AzureBlobStore(options)
    assert store.location == "az://container/a of account name"
    assert store.features().synced_on_return is Answer.YES
    for environment in (
        {"AZURE_STORAGE_SAS_TOKEN": "?sv=2024&sig=c2VzYW1l"},
        {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"},
        {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/token"},
        {},
    ):
        assert isinstance(
            open_store("az://container", {"AZURE_STORAGE_ACCOUNT": "name", **environment}), AzureBlobStore
        )
    connection = (
        f"DefaultEndpointsProtocol=https;AccountName=name;AccountKey={key};EndpointSuffix=core.chinacloudapi.cn"
    )
    options = azure_options("container", "", {}, {"AZURE_STORAGE_CONNECTION_STRING": connection})
    assert (options.account, options.account_key) == ("name", key)
    assert options.endpoint == "https://name.blob.core.chinacloudapi.cn"


@pytest.mark.parametrize(
    ("variable", "value", "kind"),
    [
        ("AZURE_STORAGE_KEY", "no Base64: sesame", errors.STORAGE_DENIED),
        ("AZURE_STORAGE_CONNECTION_STRING", "sesame", errors.LOCATION_INVALID),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=other;AccountKey=sesame", errors.LOCATION_INVALID),
        ("AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint=http://azure.example/name", errors.LOCATION_INVALID),
    ],
)
def test_wrong_secrets_of_azure_are_refused_and_not_repeated(variable: str, value: str, kind: errors.ErrorKind) -> None:
    with pytest.raises(errors.BackstayError) as caught:
        open_store("az://container/a?account=name", {variable: value})
    assert caught.value.kind is kind
    assert "sesame" not in str(caught.value)


def test_google_is_told_what_its_own_tools_are_told(tmp_path: Path) -> None:
    options = gcs_options("bucket", "a", {}, {"CLOUDSDK_AUTH_ACCESS_TOKEN": "sesame"})
    assert "sesame" not in repr(options)
    store = GcsBlobStore(options)
    assert store.location == "gs://bucket/a"
    assert store.features().synced_on_return is Answer.YES
    login = tmp_path / "login.json"
    person = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "t"}
    login.write_text(json.dumps(person), encoding="utf-8")
    assert isinstance(open_store("gs://bucket", {"GOOGLE_APPLICATION_CREDENTIALS": str(login)}), GcsBlobStore)
    login.write_text('{"type": "sesame"}', encoding="utf-8")
    for file in (login, tmp_path / "absent.json"):
        with pytest.raises(errors.BackstayError) as caught:
            open_store("gs://bucket", {"GOOGLE_APPLICATION_CREDENTIALS": str(file)})
        assert caught.value.kind is errors.STORAGE_DENIED
        assert "sesame" not in str(caught.value)


def test_half_an_access_key_is_refused() -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        with pytest.raises(errors.BackstayError, match="not its") as caught:
            open_store("s3://bucket", {name: "sesame"})
        assert caught.value.kind is errors.STORAGE_DENIED
        assert "sesame" not in str(caught.value)


def test_a_missing_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "backstay.blobs.sftp", None)
    with pytest.raises(errors.BackstayError) as caught:
        open_store("sftp://me@host/srv", {})
    assert caught.value.kind is errors.STORAGE_DRIVER_MISSING
    assert "backstay[sftp]" in caught.value.next_step
