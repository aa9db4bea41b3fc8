"""A blob store in an S3 bucket, or in what speaks S3 (Ceph, MinIO, versitygw, ...), through obstore (see `objects`).

The parts of an upload that broke off may stay and cost money: a lifecycle rule of the bucket
(AbortIncompleteMultipartUpload) removes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obstore.store import S3Store

from backstay.blobs.contract import Answer
from backstay.blobs.objects import (
    PART_ATTEMPTS,
    ObjectBlobStore,
    Service,
    client_options,
    patience,
)

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
