"""AWS Signature Version 4 against the examples that AWS publishes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backstay.https.signature_v4 import Credentials, Scope, signed_headers

# The access key of AWS's own documentation.
EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TIME = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "method", "query", "body", "scope", "signature"),
    [
        # aws-sig-v4-test-suite: get-vanilla, post-vanilla, post-x-www-form-urlencoded
        ({"Host": "example.amazonaws.com"}, "GET", "", b"", Scope("us-east-1", "service"),
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ({"Host": "example.amazonaws.com"}, "POST", "", b"", Scope("us-east-1", "service"),
         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ({"Host": "example.amazonaws.com", "Content-Type": FORM}, "POST", "", b"Param1=value1", Scope("us-east-1", "service"),
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        # The worked example of the documentation: ListUsers of IAM
        ({"Host": "iam.amazonaws.com", "Content-Type": f"{FORM}; charset=utf-8"}, "GET", "Action=ListUsers&Version=2010-05-08",
         b"", Scope("us-east-1", "iam"), "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
    ],
    ids=["get-vanilla", "post-vanilla", "post-x-www-form-urlencoded", "iam-list-users"],
)  # fmt: skip
def test_a_signature_is_the_published_one(
    headers: dict[str, str], method: str, query: str, body: bytes, scope: Scope, signature: str
) -> None:
    signed = signed_headers(EXAMPLE, scope, headers, body, TIME, method=method, query=query)
    assert signed["Authorization"].endswith(f"Signature={signature}")


def test_a_token_is_sent_and_signed_and_no_secret_shows() -> None:
    lent = Credentials("AKIDEXAMPLE", "a-secret", "a-token")
    signed = signed_headers(lent, Scope("us-east-1", "kms"), {"Host": "h"}, b"", TIME)
    assert signed["X-Amz-Security-Token"] == "a-token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token" in signed["Authorization"]
    assert "a-secret" not in str(signed) + repr(lent)
