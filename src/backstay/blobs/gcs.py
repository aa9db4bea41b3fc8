"""A blob store in a bucket of Google Cloud Storage, through obstore (see `objects`), which speaks its XML interface.

Who asks is found in this order; the variables are those of Google's own tools:

    CLOUDSDK_AUTH_ACCESS_TOKEN (or GOOGLE_OAUTH_ACCESS_TOKEN): a token, which nobody renews
    GOOGLE_APPLICATION_CREDENTIALS: a file, of a service account or of `gcloud auth application-default login`
    none: that file where gcloud leaves it, and then the service account of the machine or pod

A second write to one name within a second may be told to wait, which is `STORAGE_BUSY`. The parts of an upload that
broke off may stay and cost money: a lifecycle rule of the bucket (AbortIncompleteMultipartUpload) removes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import GCSStore

from backstay import errors
from backstay.blobs.contract import Answer
from backstay.blobs.endpoint import first_of, is_plain_http, unreadable
from backstay.blobs.objects import PART_ATTEMPTS, ObjectBlobStore, Service, client_options, patience

if TYPE_CHECKING:
    from obstore.store import GCSConfig

GOOGLE = "https://storage.googleapis.com"
GCS = Service(
    container="bucket",
    container_absent=frozenset({"NoSuchBucket"}),
    blob_absent=frozenset({"NoSuchKey"}),
    taken=frozenset({"PreconditionFailed"}),
    denied=frozenset(
        {
            "AccessDenied",
            "AccountProblem",
            "AuthenticationRequired",
            "ExpiredToken",
            "InvalidSecurity",
            "SignatureDoesNotMatch",
            "UserProjectAccountProblem",
        }
    ),
    busy=frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout"}),
    full=frozenset({"EntityTooLarge"}),
)


@dataclass(frozen=True, slots=True)
class GcsOptions:
    """Where the bucket is and who asks; `repr` shows no secret."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""  # empty: Google
    token: str = field(default="", repr=False)
    credentials_file: str = ""
    allow_http: bool = False


class GcsBlobStore(ObjectBlobStore):
    """Objects below a prefix of one bucket. Raises `STORAGE_DENIED` for a credentials file that cannot be used."""

    def __init__(self, options: GcsOptions) -> None:
        at = f" at {options.endpoint}" if options.endpoint else ""
        super().__init__(
            GCS,
            _bucket(options, retries=0),
            _bucket(options, retries=PART_ATTEMPTS),
            name=options.bucket,
            prefix=options.prefix,
            location=f"gs://{options.bucket}/{options.prefix}{at}",
            synced=Answer.UNKNOWN if options.endpoint else Answer.YES,
        )


def gcs_options(bucket: str, prefix: str, parameters: Mapping[str, str], environment: Mapping[str, str]) -> GcsOptions:
    """What a location and an environment say; raises `LOCATION_INVALID`, and `STORAGE_DENIED` for an unreadable file."""
    endpoint = parameters.get("endpoint", "")
    allow_http = is_plain_http(endpoint, parameters)
    token = first_of(environment, "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN")
    credentials_file = "" if token else environment.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if credentials_file:
        try:
            Path(credentials_file).open("rb").close()
        except OSError as problem:
            raise unreadable("GOOGLE_APPLICATION_CREDENTIALS", credentials_file, problem) from problem
    return GcsOptions(bucket, prefix, endpoint.rstrip("/"), token, credentials_file, allow_http)


def _bucket(options: GcsOptions, *, retries: int) -> GCSStore:
    # Said too: what variables of the process would otherwise decide.
    config: GCSConfig = {"base_url": options.endpoint or GOOGLE, "skip_signature": False}
    if options.token:
        config["bearer_token"] = options.token
    if options.credentials_file:
        config["application_credentials"] = options.credentials_file
    client = client_options(allow_http=options.allow_http)
    try:
        return GCSStore(options.bucket, config=config, client_options=client, retry_config=patience(retries))
    except BaseError as problem:
        # The text of obstore is not repeated: it may hold what it read.
        why = "it is neither of a service account nor of `gcloud auth application-default login`"
        what = "the credentials of Google cannot be used"
        raise errors.STORAGE_DENIED.error(what, where=options.credentials_file, why=why) from problem
