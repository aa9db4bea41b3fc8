"""Where a blob store is, as people write it, and the store that is there.

    /mnt/backups                                                  a directory
    file:///mnt/backups                                           the same
    s3://bucket/prefix?endpoint=https://s3.example&region=eu-1    a bucket; without an endpoint, AWS
    az://container/prefix?account=name                            a container of Azure Blob Storage
    gs://bucket/prefix                                            a bucket of Google Cloud Storage
    sftp://user@host:2222/srv/backups                             a directory of an SSH server; `/~/backups` is below the home

Secrets never stand in a location. They come in the mapping that `open_store` is given (the command line passes its
environment): `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_DEFAULT_REGION`,
`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE`; those that `azure` and `gcs` list; `BACKSTAY_SFTP_PASSWORD`,
`BACKSTAY_SFTP_KEY` (a file), `BACKSTAY_SFTP_KEY_PASSPHRASE`, `BACKSTAY_SFTP_KNOWN_HOSTS` (a file), `SSH_AUTH_SOCK`,
`HOME`, `USER`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from backstay import errors
from backstay.blobs.contract import BlobStore, check_name
from backstay.blobs.endpoint import first_of, invalid, is_plain_http, switch, unreadable
from backstay.blobs.local import LocalStore

SCHEMES = ("file", "s3", "az", "gs", "sftp")
_PARAMETERS = {
    "s3": {"endpoint", "region", "path-style", "allow-http", "checksum", "lock"},
    "az": {"account", "endpoint", "allow-http"},
    "gs": {"endpoint", "allow-http"},
}
_CONTAINERS = {"s3": "bucket", "az": "container", "gs": "bucket"}


@dataclass(frozen=True, slots=True)
class Location:
    """A parsed location. `host` is the bucket or container of object stores, and `path` the prefix in it; else absolute."""

    scheme: str
    path: str
    host: str = ""
    port: int | None = None
    user: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.path
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{user}{host}{port}/{self.path.lstrip('/')}"


def parse_location(text: str) -> Location:
    """The location that `text` means; raises `LOCATION_INVALID`."""
    if "://" not in text:
        if not text or "\0" in text:
            raise invalid("an empty text is no location")
        return Location("file", text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise invalid(str(problem)) from problem
    if parts.scheme not in SCHEMES:
        raise invalid(f"`{parts.scheme}://` is not one of {', '.join(SCHEMES)}")
    if parts.password is not None:
        raise invalid("it holds a password, which other users of this host could read: use the environment")
    if parts.fragment:
        raise invalid("`#` means nothing in a location; write it as %23")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    path = unquote(parts.path)
    known: set[str] = _PARAMETERS.get(parts.scheme, set())
    if unknown := sorted(set(parameters) - known):
        raise invalid(f"`{unknown[0]}` is not a parameter of {parts.scheme} locations")
    if parts.scheme == "file":
        if host not in ("", "localhost") or not path.startswith("/"):
            raise invalid("a file location is `file:///` and an absolute path")
        return Location("file", path)
    if not host:
        raise invalid(f"the {_CONTAINERS.get(parts.scheme, 'host')} is missing")
    if parts.scheme == "sftp":
        if not path.strip("/"):
            raise invalid("the directory is missing: `sftp://host/srv/backups`")
        return Location("sftp", path, host, port, unquote(parts.username or ""))
    if port is not None or parts.username is not None:
        container = _CONTAINERS[parts.scheme]
        raise invalid(f"`{parts.scheme}://` is followed by a {container}; the server goes into `?endpoint=`")
    prefix = path.strip("/")
    if prefix:
        check_name(prefix)
    # urlsplit folds the case of a host; a bucket keeps what was written.
    return Location(parts.scheme, prefix, parts.netloc, parameters=parameters)


def open_store(location: str | Location, environment: Mapping[str, str]) -> BlobStore:
    """The store at `location`, with credentials from `environment`.

    Nothing is asked yet: an unreachable store shows at the first call. Raises `LOCATION_INVALID`,
    `STORAGE_DRIVER_MISSING`, and `STORAGE_DENIED` for a key file that cannot be used.
    """
    where = parse_location(location) if isinstance(location, str) else location
    if where.scheme == "s3":
        return _open_s3(where, environment)
    if where.scheme == "az":
        return _open_azure(where, environment)
    if where.scheme == "gs":
        return _open_gcs(where, environment)
    if where.scheme == "sftp":
        return _open_sftp(where, environment)
    return LocalStore(Path(where.path))


def _open_s3(where: Location, environment: Mapping[str, str]) -> BlobStore:
    try:
        from backstay.blobs.s3 import S3BlobStore, S3Options
        from backstay.blobs.s3_locks import MODES
    except ImportError as problem:
        raise _missing("s3", "obstore", problem) from problem
    parameters = where.parameters
    endpoint = parameters.get("endpoint") or first_of(environment, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    allow_http = is_plain_http(endpoint, parameters)
    key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    if bool(key) != bool(secret):
        given, other = ("ID", "secret") if key else ("secret", "ID")
        raise errors.STORAGE_DENIED.error(f"the access key has its {given}, but not its {other}", where=str(where))
    authority = b""
    if bundle := environment.get("AWS_CA_BUNDLE"):
        try:
            authority = Path(bundle).read_bytes()
        except OSError as problem:
            raise unreadable("AWS_CA_BUNDLE", bundle, problem) from problem
    region = parameters.get("region") or first_of(environment, "AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    checksum = parameters.get("checksum", "sha256").upper()
    if checksum not in ("SHA256", "NONE"):
        raise invalid("`checksum` is `sha256` or `none`")
    mode = parameters.get("lock", "governance").lower()
    if mode not in MODES:
        raise invalid("`lock` is `governance` or `compliance`")
    # AWS wants the bucket in the host name; a dot in it would not fit AWS' certificate.
    path_style = switch(parameters, "path-style", default=bool(endpoint) or "." in where.host)
    return S3BlobStore(
        S3Options(
            bucket=where.host,
            prefix=where.path,
            endpoint=endpoint,
            region=region,
            access_key=key,
            secret_key=secret,
            session_token=environment.get("AWS_SESSION_TOKEN", ""),
            path_style=path_style,
            allow_http=allow_http,
            checksum="" if checksum == "NONE" else checksum,
            authority=authority,
            lock_mode=mode,
        )
    )


def _open_azure(where: Location, environment: Mapping[str, str]) -> BlobStore:
    try:
        from backstay.blobs.azure import AzureBlobStore, azure_options
    except ImportError as problem:
        raise _missing("az", "obstore", problem) from problem
    return AzureBlobStore(azure_options(where.host, where.path, where.parameters, environment))


def _open_gcs(where: Location, environment: Mapping[str, str]) -> BlobStore:
    try:
        from backstay.blobs.gcs import GcsBlobStore, gcs_options
    except ImportError as problem:
        raise _missing("gs", "obstore", problem) from problem
    return GcsBlobStore(gcs_options(where.host, where.path, where.parameters, environment))


def _open_sftp(where: Location, environment: Mapping[str, str]) -> BlobStore:
    try:
        from backstay.blobs.sftp import SftpOptions, SftpStore
    except ImportError as problem:
        raise _missing("sftp", "backstay[sftp]", problem) from problem
    user = where.user or environment.get("USER", "")
    if not user:
        raise invalid("the user is missing: `sftp://user@host/dir`")
    home = Path(environment.get("HOME") or "/")
    keys: tuple[Path, ...]
    if chosen := environment.get("BACKSTAY_SFTP_KEY"):
        keys = (Path(chosen).expanduser(),)
    else:
        usual = (home / ".ssh" / name for name in ("id_ed25519", "id_ecdsa", "id_rsa"))
        keys = tuple(path for path in usual if path.is_file())
    return SftpStore(
        SftpOptions(
            host=where.host,
            port=where.port or 22,
            user=user,
            # `/~/backups` is relative to the home, which is where an SFTP session begins.
            directory=where.path[3:] if where.path.startswith("/~/") else where.path,
            known_hosts=Path(environment.get("BACKSTAY_SFTP_KNOWN_HOSTS") or home / ".ssh" / "known_hosts"),
            keys=keys,
            key_chosen="BACKSTAY_SFTP_KEY" in environment,
            passphrase=environment.get("BACKSTAY_SFTP_KEY_PASSPHRASE", ""),
            password=environment.get("BACKSTAY_SFTP_PASSWORD", ""),
            agent=environment.get("SSH_AUTH_SOCK", ""),
        )
    )


def _missing(scheme: str, requirement: str, problem: ImportError) -> errors.BackstayError:
    return errors.STORAGE_DRIVER_MISSING.error(
        f"{scheme} locations cannot be used here",
        why=f"the Python package `{problem.name}` is not installed",
        next_step=f"pip install '{requirement}'",
    )
