"""The members of the cluster that a restore founds: `--initial-cluster` read, checked as etcd checks it, ids computed.

`plan` calls it. Pure. The messages of what is refused are etcd's own, so that scripts and people recognise them; unlike
etcd nothing is resolved by DNS here: URLs are the same when they are written the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from backstay import errors
from backstay.formats import membership
from backstay.formats.membership import ConfState, Member
from backstay.values import ClusterId, MemberId

DEFAULT_NAME = "default"
DEFAULT_PEER_URLS = "http://localhost:2380"
DEFAULT_TOKEN = "etcd-cluster"

_NETWORK_SCHEMES = ("http", "https")
_SOCKET_SCHEMES = ("unix", "unixs")
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:]*):[^\[\]:/]*")
_NAME_IN_A_PATH = re.compile(r"[^/\0]+")


@dataclass(frozen=True, slots=True)
class NewCluster:
    """A cluster to be founded: its members, ascending by id, which is the order etcd adds them in."""

    members: tuple[Member, ...]
    token: str

    @property
    def id(self) -> ClusterId:
        """The id that follows from the members'."""
        return membership.cluster_id(self.voters)

    @property
    def voters(self) -> tuple[MemberId, ...]:
        """All member ids: a new cluster has no learners."""
        return tuple(member.id for member in self.members)

    @property
    def conf_state(self) -> ConfState:
        """The raft configuration of the new cluster."""
        return ConfState(voters=self.voters)

    def member(self, name: str) -> Member:
        """The member of this name. Raises `MEMBERSHIP_INVALID`."""
        for member in self.members:
            if member.name == name:
                return member
        raise errors.MEMBERSHIP_INVALID.error(
            f"couldn't find local name {_quoted(name)} in the initial cluster configuration",
            where="--name",
            why=f"--initial-cluster names {', '.join(member.name for member in self.members) or 'nobody'}",
        )


def new_cluster(initial_cluster: str = f"{DEFAULT_NAME}={DEFAULT_PEER_URLS}", token: str = DEFAULT_TOKEN) -> NewCluster:
    """The cluster that `name=url,name=url,...` describes. Raises `MEMBERSHIP_INVALID`."""
    urls_by_name: dict[str, list[str]] = {}
    for part in initial_cluster.split(","):
        name, _, url = part.partition("=")
        name = name.strip()
        if name:
            urls_by_name.setdefault(name, []).append(checked_url(url.strip()))
    _refuse_duplicates(urls_by_name)
    members = sorted(
        (
            Member(membership.member_id(urls, token), tuple(sorted(urls)), name=name)
            for name, urls in urls_by_name.items()
        ),
        key=lambda member: member.id,
    )
    identifiers = [member.id for member in members]
    if 0 in identifiers or len(set(identifiers)) < len(identifiers):
        raise errors.MEMBERSHIP_INVALID.error(
            "two members would get the same id, or one the id 0",
            where="--initial-cluster",
            next_step="choose another --initial-cluster-token",
        )
    return NewCluster(tuple(members), token)


def check_advertised(member: Member, advertised: str) -> None:
    """Refuse peer URLs to advertise (a comma list) that are not those of `member`. Raises `MEMBERSHIP_INVALID`."""
    urls = sorted(checked_url(each.strip()) for each in advertised.split(","))
    if urls == sorted(member.peer_urls):
        return
    wanted = ",".join(f"{member.name}={url}" for url in sorted(member.peer_urls))
    missing = [url for url in member.peer_urls if url not in urls]
    if missing:
        what = f"--initial-cluster has {wanted} but missing from --initial-advertise-peer-urls={','.join(urls)}"
    else:
        extra = ",".join(url for url in urls if url not in member.peer_urls)
        what = f"--initial-advertise-peer-urls has {extra} but missing from --initial-cluster={wanted}"
    raise errors.MEMBERSHIP_INVALID.error(what, where="--initial-advertise-peer-urls")


def check_names_for_directories(members: Sequence[Member]) -> None:
    """Refuse member names that cannot be part of a directory's name. Raises `MEMBERSHIP_INVALID`."""
    for member in members:
        if not _NAME_IN_A_PATH.fullmatch(member.name) or member.name in (".", ".."):
            raise errors.MEMBERSHIP_INVALID.error(
                f"the member name {_quoted(member.name)} cannot be the name of a directory",
                where="--initial-cluster",
                next_step="restore this member alone with --name and --data-dir",
            )


def checked_url(url: str) -> str:
    """`url`, if etcd takes it as a peer URL. Raises `MEMBERSHIP_INVALID` with etcd's words."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _NETWORK_SCHEMES + _SOCKET_SCHEMES:
        raise _refused(f"URL scheme must be http, https, unix, or unixs: {url}", url)
    host, _, path = rest.partition("/")
    if scheme in _SOCKET_SCHEMES:
        return url
    if not _HOST_AND_PORT.fullmatch(host.rpartition("@")[2]):
        raise _refused(f'URL address does not have the form "host:port": {url}', url)
    if path or rest.endswith("/") or urlsplit(url).query or urlsplit(url).fragment:
        raise _refused(f"URL must not contain a path: {url}", url)
    return url


def _refuse_duplicates(urls_by_name: dict[str, list[str]]) -> None:
    every = [url for urls in urls_by_name.values() for url in urls]
    if len(set(every)) < len(every):
        listed = ",".join(sorted(f"{name}={url}" for name, urls in urls_by_name.items() for url in urls))
        raise errors.MEMBERSHIP_INVALID.error(f"initial cluster {listed} has duplicate url", where="--initial-cluster")


def _refused(what: str, url: str) -> errors.BackstayError:
    return errors.MEMBERSHIP_INVALID.error(what, where=url)


def _quoted(text: str) -> str:
    return '"' + text + '"'
