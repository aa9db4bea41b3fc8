"""A blob store in an S3 bucket, or in what speaks S3 (Ceph, MinIO, versitygw, ...), through obstore (see `objects`).

Locks of objects have requests of their own (`s3_locks`).

The parts of an upload that broke off may stay and cost money: a lifecycle rule of the bucket
(AbortIncompleteMultipartUpload) removes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from obstore.store import S3Store

from backstay import errors
from backstay.blobs.contract import Answer, Features, locked, unlockable
from backstay.blobs.objects import (
    PART_ATTEMPTS,
    ObjectBlobStore,
    Service,
    client_options,
    patience,
)
from backstay.blobs.s3_locks import LockOptions, ObjectLocks
from backstay.clock import SystemClock
from backstay.https.signature_v4 import Credentials

if TYPE_CHECKING:
    from obstore.store import S3Config

S3 = Service(
    container="bucket",
    container_absent=frozenset({"NoSuchBucket"}),
    blob_absent=frozenset({"NoSuchKey"}),
    taken=frozenset({"PreconditionFailed"}),
    denied=frozenset(
        {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed"}
    ),
    busy=frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "ConditionalRequestConflict"}),
    full=frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge"}),
)


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is and how to speak to it; `repr` shows no secret."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""  # empty: AWS
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)  # empty: the role of the machine or pod
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = True
    allow_http: bool = False
    checksum: str = "SHA256"  # empty: none beyond the signature
    authority: bytes = field(default=b"", repr=False)  # PEM of a private certificate authority
    lock_mode: str = "governance"  # of `blobs.s3_locks.MODES`


class S3BlobStore(ObjectBlobStore):
    """Objects below a prefix of one bucket."""

    def __init__(self, options: S3Options) -> None:
        at = f" at {options.endpoint}" if options.endpoint else ""
        super().__init__(
            S3,
            _bucket(options, retries=0),
            _bucket(options, retries=PART_ATTEMPTS),
            name=options.bucket,
            prefix=options.prefix,
            location=f"s3://{options.bucket}/{options.prefix}{at}",
            synced=Answer.UNKNOWN if options.endpoint else Answer.YES,
        )
        self._clock = SystemClock()
        self._locks: ObjectLocks | None = None
        if options.access_key:  # a role's keys are known to obstore alone
            self._locks = ObjectLocks(_lock_options(options, self.location), self._clock)

    def features(self) -> Features:
        return replace(super().features(), locks=Answer.NO if self._locks is None else Answer.UNKNOWN)

    def delete(self, name: str) -> None:
        if self._locks is not None and self._locks.refusal() is None:
            until = self._until(name)
            if until is not None and until > self._clock.now():
                raise locked(self, name, until)
        super().delete(name)

    def lock(self, name: str, until: datetime) -> None:
        if self._locks is None:
            raise unlockable(self, "locks are asked for with an access key, and this is the role of a machine or pod")
        self._locks.lock(self._path(name), until)

    def locked_until(self, name: str) -> datetime | None:
        if self._locks is None:
            raise unlockable(self, "locks are asked for with an access key, and this is the role of a machine or pod")
        return self._locks.until(self._path(name))

    def _until(self, name: str) -> datetime | None:
        try:
            return self.locked_until(name)
        except errors.BackstayError as problem:
            if problem.kind is not errors.BLOB_NOT_FOUND:
                raise
            return None


def _lock_options(options: S3Options, location: str) -> LockOptions:
    return LockOptions(
        options.bucket,
        options.endpoint,
        options.region,
        options.path_style,
        Credentials(options.access_key, options.secret_key, options.session_token),
        options.lock_mode,
        options.authority.decode("ascii", "replace"),
        location,
    )


def _bucket(options: S3Options, *, retries: int) -> S3Store:
    config: S3Config = {"region": options.region, "virtual_hosted_style_request": not options.path_style}
    config["disable_bulk_delete"] = True  # one name at a time is what every server understands
    if options.endpoint:
        # The second is what a variable of the process would set otherwise; it wins over the first.
        config["endpoint"] = config["aws_endpoint_url_s3"] = options.endpoint
    if options.access_key:
        config["access_key_id"] = options.access_key
        config["secret_access_key"] = options.secret_key
        if options.session_token:
            config["session_token"] = options.session_token
    if options.checksum:
        config["checksum_algorithm"] = options.checksum
    client = client_options(allow_http=options.allow_http, authority=options.authority)
    return S3Store(options.bucket, config=config, client_options=client, retry_config=patience(retries))
