"""What a request costs against the quota of the database, and whether there is room for it.

Asked by the engine before it takes a request on. The limit is soft, as etcd's: the size of the file is seen late.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.formats import requests
from backstay.formats.requests import Message, Operation

DEFAULT_QUOTA_BYTES = 2 << 30

PUT_OVERHEAD = 256
_LEASE_COST = 64


def effective_quota(quota_bytes: int) -> int:
    """The quota that a setting means: 0 is the default, negative none at all (returned as 0)."""
    if quota_bytes == 0:
        return DEFAULT_QUOTA_BYTES
    return max(quota_bytes, 0)


def cost(body: Message) -> int:
    """Bytes that `body` may add; 0 for what adds nothing and therefore always passes."""
    if isinstance(body, requests.Put):
        return PUT_OVERHEAD + len(body.key) + len(body.value)
    if isinstance(body, requests.Txn):
        return max(_branch_cost(body.success), _branch_cost(body.failure))
    return _LEASE_COST if isinstance(body, requests.LeaseGrant) else 0


def _branch_cost(operations: Iterable[Operation]) -> int:
    return sum(cost(part) for each in operations for part in (each.put, each.txn) if part is not None)
