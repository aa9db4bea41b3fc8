"""Requests about the cluster itself, and the old v2 form that 3.4 and 3.5 use for two of them (etcd-files section 6.5).

v2 Request (proto2): 1 ID, 2 Method, 3 Path, 4 Val, 5 Dir, 6 PrevValue, ... 17 Refresh
PUT /0/members/<hex id>/attributes    Val {"name":"...","clientURLs":["..."]}
PUT /0/version                        Val 3.5.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from backstay.formats.requests.codec import Field, Kind, Message


@dataclass(frozen=True, slots=True)
class V2Request(Message):
    """A request to the v2 store; backstay reads the two that concern the cluster and never writes one."""

    id: int = 0
    method: str = ""
    path: str = ""
    value: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "id", Kind.UNSIGNED),
        Field(2, "method", Kind.TEXT),
        Field(3, "path", Kind.TEXT),
        Field(4, "value", Kind.TEXT),
    )


@dataclass(frozen=True, slots=True)
class ClusterVersionSet(Message):
    """The version all members agree on, as text (`3.6.0`)."""

    version: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "version", Kind.TEXT),)


@dataclass(frozen=True, slots=True)
class MemberAttributes(Message):
    """What a member says about itself when it starts."""

    name: str = ""
    client_urls: tuple[str, ...] = ()

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "name", Kind.TEXT),
        Field(2, "client_urls", Kind.TEXT, repeated=True),
    )


@dataclass(frozen=True, slots=True)
class MemberAttributesSet(Message):
    """A member publishes its name and client URLs."""

    member_id: int = 0
    attributes: MemberAttributes | None = None

    FIELDS: ClassVar[tuple[Field, ...]] = (
        Field(1, "member_id", Kind.UNSIGNED),
        Field(2, "attributes", Kind.MESSAGE, MemberAttributes, optional=True),
    )


@dataclass(frozen=True, slots=True)
class DowngradeInfoSet(Message):
    """A downgrade begins (`enabled`, with its target) or is over."""

    enabled: bool = False
    version: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "enabled", Kind.FLAG), Field(2, "version", Kind.TEXT))


@dataclass(frozen=True, slots=True)
class DowngradeVersionTest(Message):
    """A request of etcd's own tests; changes nothing."""

    version: str = ""

    FIELDS: ClassVar[tuple[Field, ...]] = (Field(1, "version", Kind.TEXT),)
