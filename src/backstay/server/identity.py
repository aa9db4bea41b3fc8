"""Who answers."""

from __future__ import annotations

from typing import NamedTuple

from backstay.values import ClusterId, MemberId


class Identity(NamedTuple):
    """Three fields of every response's header. They do not change while a single member runs."""

    cluster: ClusterId
    member: MemberId
    term: int
