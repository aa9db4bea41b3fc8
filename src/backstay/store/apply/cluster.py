"""Changes of the cluster: members, the raft configuration, versions, alarms, and the two v2 requests that matter."""

from __future__ import annotations

import re
from dataclasses import replace

from backstay.errors import FormatError
from backstay.formats import membership, requests
from backstay.formats.membership import ConfState, Member
from backstay.formats.raft import ConfChange, ConfChangeType
from backstay.formats.requests import AlarmAction
from backstay.formats.schema import Alarm, AlarmType
from backstay.store import refusals
from backstay.store.answers import AlarmAnswer
from backstay.store.refusals import Refused
from backstay.store.state import Cluster, StoreState, downgrade_text
from backstay.values import MemberId

_V2_ATTRIBUTES = re.compile(r"/0/members/([0-9a-f]{1,16})/attributes")
_V2_VERSION = "/0/version"


def change_membership(cluster: Cluster, change: ConfChange) -> None:
    """Add, promote, update or remove a member. Raises `Refused` where etcd makes it a change of nothing."""
    if change.node_id in cluster.removed or (change.kind is ConfChangeType.REMOVE_NODE and _unknown(cluster, change)):
        raise Refused(refusals.MEMBER_NOT_FOUND)
    if change.kind is ConfChangeType.REMOVE_NODE:
        _configure(cluster, change.node_id, votes=None)
        del cluster.members[change.node_id]
        cluster.removed.add(change.node_id)
        return
    member = change.member
    if member is None or member.id != change.node_id:
        raise FormatError(f"configuration change of {change.node_id:x} does not describe that member", offset=0)
    if change.kind is ConfChangeType.UPDATE_NODE:
        if _unknown(cluster, change):
            raise Refused(refusals.MEMBER_NOT_FOUND)
        _refuse_used_urls(cluster, member)
        cluster.members[member.id] = replace(cluster.members[member.id], peer_urls=member.peer_urls)
        return
    if change.is_promote:
        known = cluster.members.get(member.id)
        if known is None:
            raise Refused(refusals.MEMBER_NOT_FOUND)
        if not known.is_learner:
            raise Refused(refusals.MEMBER_NOT_LEARNER)
        member = replace(known, is_learner=False)
    else:
        if not _unknown(cluster, change):
            raise Refused(refusals.MEMBER_EXISTS)
        _refuse_used_urls(cluster, member)
    _configure(cluster, member.id, votes=change.kind is ConfChangeType.ADD_NODE)
    cluster.members[member.id] = member


def set_version(cluster: Cluster, request: requests.ClusterVersionSet) -> None:
    """All members have agreed on a version."""
    cluster.version = request.version


def set_attributes(cluster: Cluster, request: requests.MemberAttributesSet) -> None:
    """A member has started and says how it is called and reached."""
    member = cluster.members.get(MemberId(request.member_id))
    if member is None:
        raise Refused(refusals.MEMBER_NOT_FOUND)
    given = request.attributes or requests.MemberAttributes()
    cluster.members[member.id] = replace(member, name=given.name, client_urls=given.client_urls)


def set_downgrade(cluster: Cluster, request: requests.DowngradeInfoSet) -> None:
    """A downgrade begins or is over."""
    cluster.downgrade = downgrade_text(request.version, request.enabled)


def apply_v2(cluster: Cluster, request: requests.V2Request) -> None:
    """The v2 form of `set_attributes` and `set_version`; everything else of the v2 store is none of our business."""
    if request.method != "PUT":
        return
    if request.path == _V2_VERSION:
        cluster.version = request.value
    elif found := _V2_ATTRIBUTES.fullmatch(request.path):
        fields = membership.parse_object(request.value.encode(), "attributes of a member")
        name = membership.read_text(fields.get("name"), "name")
        urls = membership.read_texts(fields, "clientURLs")
        attributes = requests.MemberAttributes(name, urls)
        set_attributes(cluster, requests.MemberAttributesSet(int(found[1], 16), attributes))


def change_alarm(state: StoreState, request: requests.Alarm) -> AlarmAnswer:
    """Raise, lower or list alarms."""
    alarm = Alarm(MemberId(request.member_id), request.kind)
    if request.action == AlarmAction.GET:
        return AlarmAnswer(tuple(sorted(each for each in state.alarms if request.kind in (AlarmType.NONE, each.kind))))
    if request.action == AlarmAction.ACTIVATE:
        if request.kind == AlarmType.NONE:
            return AlarmAnswer(())
        state.alarms.add(alarm)
        return AlarmAnswer((alarm,))
    if request.action == AlarmAction.DEACTIVATE:
        if alarm not in state.alarms:
            return AlarmAnswer(())
        state.alarms.remove(alarm)
        return AlarmAnswer((alarm,))
    raise Refused(refusals.UNKNOWN_ACTION)


def _unknown(cluster: Cluster, change: ConfChange) -> bool:
    return change.node_id not in cluster.members


def _refuse_used_urls(cluster: Cluster, member: Member) -> None:
    used = {url for each in cluster.members.values() if each.id != member.id for url in each.peer_urls}
    if used & set(member.peer_urls):
        raise Refused(refusals.PEER_URL_EXISTS)


def _configure(cluster: Cluster, identifier: MemberId, *, votes: bool | None) -> None:
    """Give the member a vote, make it a learner, or (None) take it out of the raft configuration."""
    before = cluster.conf_state or ConfState(
        tuple(sorted(cluster.voters)), tuple(sorted(each.id for each in cluster.members.values() if each.is_learner))
    )
    voters = {each for each in before.voters if each != identifier} | ({identifier} if votes else set())
    learners = {each for each in before.learners if each != identifier} | ({identifier} if votes is False else set())
    cluster.conf_state = replace(before, voters=tuple(sorted(voters)), learners=tuple(sorted(learners)))
