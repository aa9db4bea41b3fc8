"""Locks of objects in S3: what obstore has no call for, asked by requests of our own.

    PUT /KEY?retention        <Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2026-11-25T18:30:00Z</RetainUntilDate></Retention>
    GET /KEY?retention        the same; 404 NoSuchObjectLockConfiguration where an object has none
    GET /?object-lock         whether the bucket can lock at all

(Amazon S3 API reference: PutObjectRetention, GetObjectRetention, GetObjectLockConfiguration.) A bucket that can lock keeps
versions, and a DELETE that names none only hides the newest behind a marker; so who deletes asks for the date first
(`S3BlobStore.delete`).
`GOVERNANCE` can be lifted by whoever has `s3:BypassGovernanceRetention`, `COMPLIANCE` by nobody at all before its date.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from backstay import errors
from backstay.clock import Clock
from backstay.https.exchange import Answer, NoAnswer, exchange
from backstay.https.signature_v4 import Credentials, Scope, signed_headers

MODES = ("governance", "compliance")
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DATE = re.compile(rb"<RetainUntilDate>\s*([0-9T:.Z+-]{10,40})\s*</RetainUntilDate>")
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]{1,200})")
_BUSY = (429, 503)
_NONE = frozenset({"NoSuchObjectLockConfiguration"})
_CANNOT = frozenset(
    {
        "ObjectLockConfigurationNotFoundError", "InvalidBucketObjectLockConfiguration", "NotImplemented", "MethodNotAllowed",
        "InvalidRequest", "InvalidBucketState",
    }
)  # fmt: skip
_DENIED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed"}
)


@dataclass(frozen=True, slots=True)
class LockOptions:
    """Where the bucket is, and who asks. `authority` is the PEM of a private certificate authority, empty for the machine's."""

    bucket: str
    endpoint: str
    region: str
    path_style: bool
    credentials: Credentials
    mode: str = "governance"
    authority: str = ""
    location: str = ""


class ObjectLocks:
    """The locks of one bucket; every request is tried once. Raises `STORAGE_*`, `LOCK_UNSUPPORTED`, `BLOB_NOT_FOUND`."""

    def __init__(self, options: LockOptions, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._address = _address(options)
        self._asked = False
        self._refusal: errors.BackstayError | None = None

    def refusal(self) -> errors.BackstayError | None:
        """Why the bucket locks nothing, `LOCK_UNSUPPORTED` or `STORAGE_DENIED`; None where it does. Asked once.

        Servers answer what they do not know in many ways, and a proxy is not gone through here: all but a busy server
        (`STORAGE_BUSY` is raised) is one that does not lock, so that whatever else is done there goes on as without locks.
        """
        if not self._asked:
            self._refusal = self._find_refusal()
            self._asked = True
        return self._refusal

    def _find_refusal(self) -> errors.BackstayError | None:
        try:
            answer = self._ask("GET", "", "object-lock=")
        except errors.BackstayError as problem:
            return self._unsupported(f"it does not answer: {problem.why}")
        if answer.status in _BUSY:
            raise self._error(answer, "")
        if answer.status == 200 and b"<ObjectLockEnabled>Enabled<" in answer.body:
            return None
        if answer.status in (401, 403):
            return self._error(answer, "")
        return self._unsupported(_why(answer) if answer.status != 200 else "the bucket was made without Object Lock")

    def until(self, path: str) -> datetime | None:
        """The date of the lock of the object at `path`."""
        answer = self._ask("GET", path, "retention=")
        if answer.status == 200:
            return self._date(answer)
        if _code(answer) in _NONE:
            return None
        if answer.status == 405 and self.refusal() is None:  # what is there is the marker of a deletion
            raise errors.BLOB_NOT_FOUND.error(f"there is no `{path}`", where=self._options.location)
        raise self._error(answer, path)

    def lock(self, path: str, until: datetime) -> None:
        """Lock the object at `path`; a date that is not later than the one it has changes nothing.

        Asked first is whether the bucket locks and what lock there is, also because a server that takes no notice of `?retention`
        would take what is put for the object's new content.
        """
        if (refusal := self.refusal()) is not None:
            raise refusal
        before = self.until(path)
        if before is not None and before >= until:
            return
        body = (
            f'<Retention xmlns="{_NAMESPACE}"><Mode>{self._options.mode.upper()}</Mode>'
            f"<RetainUntilDate>{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}</RetainUntilDate></Retention>"
        ).encode()
        answer = self._ask("PUT", path, "retention=", body)
        if answer.status not in (200, 204):
            raise self._error(answer, path)

    def _ask(self, method: str, path: str, query: str, body: bytes = b"") -> Answer:
        options, address = self._options, self._address
        place = urlsplit(address)
        # Every byte that S3 does not count among the unreserved ones is written out, in the request as in what is signed.
        target = quote(f"{place.path.rstrip('/')}/{path}", safe="/-_.~")
        headers = {"Host": place.netloc, "X-Amz-Content-Sha256": hashlib.sha256(body).hexdigest()}
        if body:
            headers["Content-MD5"] = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        signed = signed_headers(
            options.credentials, Scope(options.region, "s3"), headers, body, self._clock.now(),
            method=method, path=target, query=query,
        )  # fmt: skip
        url = f"{place.scheme}://{place.netloc}{target}?{query}"
        try:
            return exchange(method, url, body, signed, authority_pem=options.authority)
        except NoAnswer as problem:
            raise errors.STORAGE_UNREACHABLE.error(
                "cannot ask for locks", where=options.location, why=str(problem)
            ) from problem

    def _date(self, answer: Answer) -> datetime:
        found = _DATE.search(answer.body)
        try:
            if found is not None:
                date = datetime.fromisoformat(found[1].decode())
                return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        except ValueError:
            pass
        raise self._unsupported("the server takes no notice of the question for the lock")

    def _unsupported(self, why: str) -> errors.BackstayError:
        return errors.LOCK_UNSUPPORTED.error(
            "objects cannot be locked in this bucket", where=self._options.location, why=why
        )

    def _error(self, answer: Answer, path: str) -> errors.BackstayError:
        """The declared error of an answer that is none of those expected."""
        code, where = _code(answer), self._options.location
        why = _why(answer)
        what = f"cannot lock `{path}`" if path else "cannot ask whether the bucket locks objects"
        make: Callable[..., errors.BackstayError] = errors.STORAGE_FAILED.error
        if code in _CANNOT or answer.status in (405, 501):
            return self._unsupported(why)
        if code == "NoSuchKey" or (answer.status == 404 and not code):
            return errors.BLOB_NOT_FOUND.error(f"there is no `{path}`", where=where)
        if code in _DENIED or answer.status in (401, 403):
            make = errors.STORAGE_DENIED.error
        elif answer.status >= 500 or answer.status in _BUSY:
            make = errors.STORAGE_BUSY.error
        return make(what, where=where, why=why)


def _address(options: LockOptions) -> str:
    """The bucket's address, without a slash at its end."""
    bucket = options.bucket
    if not options.endpoint:
        domain = "amazonaws.com.cn" if options.region.startswith("cn-") else "amazonaws.com"
        host = f"s3.{options.region}.{domain}"
        return f"https://{host}/{bucket}" if options.path_style else f"https://{bucket}.{host}"
    place = urlsplit(options.endpoint)
    if options.path_style:
        return f"{place.scheme}://{place.netloc}{place.path.rstrip('/')}/{bucket}"
    return f"{place.scheme}://{bucket}.{place.netloc}{place.path.rstrip('/')}"


def _why(answer: Answer) -> str:
    """The server's own words, else what there is of them."""
    code, said = _code(answer), _MESSAGE.search(answer.body)
    return f"{said[1].decode('utf-8', 'replace')} ({code})" if said else code or f"status {answer.status}"


def _code(answer: Answer) -> str:
    found = _CODE.search(answer.body)
    return found[1].decode() if found else ""
