"""`ctl member`: list, add, remove, update and promote members; and `ctl move-leader`. Ids are written in hex."""

from __future__ import annotations

from urllib.parse import urlsplit

from backstay import errors
from backstay.cli.ctl.door import BAD_ARGUMENTS, Ctl, told
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag, text
from backstay.cli.ctl.keys import is_serializable
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.cluster import added_answer, changed_answer, members_answer, moved_answer
from backstay.etcd import methods
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import hex_id

_SCHEMES = ("http", "https", "unix", "unixs")
_FORMS = (EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.PROTOBUF, EtcdFormat.YAML)


@ctl_command(examples="backstay ctl member list -w table")
@arguments("")
@text("--consistency", default="l", help="l: linearizable, s: serializable, one member's own view.", metavar="l|s")
def list_members(*, ctl: Ctl, words: tuple[str, ...], consistency: str) -> None:
    """List the members: id, status, name, peer addresses, client addresses, learner."""
    request = rpc.MemberListRequest(linearizable=not is_serializable(consistency))
    with ctl.client() as client:
        response = client.exchange(methods.MEMBER_LIST, request)
    ctl.show(members_answer(response, is_hex=ctl.is_hex))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl member add two --peer-urls=https://10.0.0.2:2380 --learner
    backstay ctl member add two --peer-urls=https://10.0.0.2:2380 --dry-run
    """,
)
@arguments("NAME")
@text("--peer-urls", help="The peer addresses of the new member, comma-separated.", metavar="LIST")
@flag("--learner", help="Let it receive the log without a vote first.")
def add(*, ctl: Ctl, words: tuple[str, ...], peer_urls: str, learner: bool) -> None:
    """Add the member NAME to the cluster, before it is started, and print what its environment must say."""
    if not words:
        bad_arguments("member name not provided")
    if len(words) > 1:
        meant = "".join(f", did you mean --peer-urls={word}" for word in words if word.lower().startswith("http"))
        bad_arguments(f"too many arguments{meant}")
    (name,) = words
    urls = _urls(peer_urls)
    with ctl.client() as client:
        plan = f"add the {'learner' if learner else 'member'} {name} at {peer_urls}"
        request = rpc.MemberAddRequest(peerURLs=urls, isLearner=learner)
        response = ctl.change(client, methods.MEMBER_ADD, request, plan, forms=_FORMS)
    if response is not None:
        ctl.show(added_answer(response, name, peer_urls, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl member remove 8e9e05c52164694d --dry-run")
@arguments("MEMBER")
def remove(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Remove a member for ever; its id never comes back."""
    member = _member(words)
    with ctl.client() as client:
        request = rpc.MemberRemoveRequest(ID=member)
        response = ctl.change(
            client, methods.MEMBER_REMOVE, request, f"remove the member {hex_id(member)}", forms=_FORMS
        )
    if response is not None:
        ctl.show(changed_answer(member, "removed from", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl member update 8e9e05c52164694d --peer-urls=https://10.0.0.9:2380")
@arguments("MEMBER")
@text("--peer-urls", help="The new peer addresses, comma-separated.", metavar="LIST")
def update(*, ctl: Ctl, words: tuple[str, ...], peer_urls: str) -> None:
    """Replace a member's peer addresses."""
    member = _member(words)
    request = rpc.MemberUpdateRequest(ID=member, peerURLs=_urls(peer_urls))
    with ctl.client() as client:
        plan = f"give the member {hex_id(member)} the peer addresses {peer_urls}"
        response = ctl.change(client, methods.MEMBER_UPDATE, request, plan, forms=_FORMS)
    if response is not None:
        ctl.show(changed_answer(member, "updated in", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl member promote 8e9e05c52164694d")
@arguments("MEMBER")
def promote(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Make a learner that has caught up a voting member."""
    member = _member(words)
    with ctl.client() as client:
        request = rpc.MemberPromoteRequest(ID=member)
        response = ctl.change(
            client, methods.MEMBER_PROMOTE, request, f"give the learner {hex_id(member)} a vote", forms=_FORMS
        )
    if response is not None:
        ctl.show(changed_answer(member, "promoted in", response, is_hex=ctl.is_hex))


@ctl_command(changes=True, examples="backstay ctl move-leader 8e9e05c52164694d")
@arguments("MEMBER")
def move_leader(*, ctl: Ctl, words: tuple[str, ...]) -> None:
    """Hand the leadership to MEMBER; --endpoints must name the present leader, too."""
    if len(words) != 1:
        bad_arguments("move-leader command needs 1 argument")
    try:
        target = go.unsigned(words[0], 16)
    except ValueError as problem:
        raise EtcdctlFailure(str(problem), BAD_ARGUMENTS) from None
    ctl.require(*_FORMS)
    with ctl.endpoint_clients(of_cluster=False) as clients:
        for _, client in clients:
            try:
                client.log_in()
                status = client.exchange(methods.STATUS, rpc.StatusRequest())
            except errors.BackstayError as problem:
                raise EtcdctlFailure(told(problem), 1) from problem
            if status.header.member_id == status.leader:
                request = rpc.MoveLeaderRequest(targetID=target)
                plan = f"move the leadership from {hex_id(status.leader)} to {hex_id(target)}"
                response = ctl.change(client, methods.MOVE_LEADER, request, plan, forms=_FORMS)
                break
        else:
            bad_arguments(f"no leader endpoint given at [{' '.join(text for text, _ in clients)}]")
    if response is not None:
        ctl.show(moved_answer(status.leader, target, response))


def _member(words: tuple[str, ...]) -> int:
    if len(words) != 1:
        bad_arguments("member ID is not provided")
    try:
        return go.unsigned(words[0], 16)
    except ValueError as problem:
        raise EtcdctlFailure(f"bad member ID arg ({problem}), expecting ID in Hex", BAD_ARGUMENTS) from None


def _urls(given: str) -> list[str]:
    """The addresses of a list; refused here, as etcd's client does, before anything is sent."""
    if not given:
        bad_arguments("member peer urls not provided")
    urls = given.split(",")
    for url in urls:
        scheme = url.strip().partition(":")[0]
        if scheme not in _SCHEMES or ":" not in url:
            raise EtcdctlFailure(f"URL scheme must be http, https, unix, or unixs: {url}", 1)
        if scheme in ("http", "https"):
            parts = urlsplit(url.strip())
            if ":" not in parts.netloc.rpartition("]")[2]:
                raise EtcdctlFailure(f'URL address does not have the form "host:port": {url}', 1)
            if parts.path:
                raise EtcdctlFailure(f"URL must not contain a path: {url}", 1)
    return urls
