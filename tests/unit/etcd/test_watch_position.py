"""Where a watch goes on after a break: no event twice, none missing, fragments included."""

from __future__ import annotations

import pytest

from backstay import errors
from backstay.errors import BackstayError
from backstay.etcd.connection import Endpoint
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.watch import WatchCompacted, WatchPosition, WatchRequest
from backstay.values import Revision

WHERE = Endpoint.parse("a")


def response(*mods: int, newest: int = 0, fragment: bool = False, watch_id: int = 0) -> rpc.WatchResponse:
    events = [kv.Event(kv=kv.KeyValue(key=b"%d" % place, mod_revision=mod)) for place, mod in enumerate(mods)]
    header = rpc.ResponseHeader(revision=newest or max(mods, default=0))
    return rpc.WatchResponse(header=header, events=events, fragment=fragment, watch_id=watch_id)


def created(revision: int) -> rpc.WatchResponse:
    return rpc.WatchResponse(header=rpc.ResponseHeader(revision=revision), created=True)


def position(start: int = 0) -> WatchPosition:
    made = WatchPosition(WatchRequest(b"k", start_revision=Revision(start)))
    made.begin_again()
    assert made.accept(created(10), WHERE) is None
    return made


def test_a_watch_from_now_on_goes_on_after_the_revision_of_its_creation() -> None:
    assert position().request().start_revision == 11
    assert position(5).request().start_revision == 5


def test_events_and_notifications_move_the_position() -> None:
    here = position(5)
    here.accept(response(5, 7), WHERE)
    assert here.request().start_revision == 8
    batch = here.accept(response(newest=20), WHERE)
    assert batch is not None
    assert batch.is_progress
    assert here.request().start_revision == 21


def test_an_answer_to_a_progress_request_does_not_move_it() -> None:
    here = position(5)
    assert here.accept(response(newest=20, watch_id=-1), WHERE) is not None
    assert here.request().start_revision == 5


def test_fragments_that_were_delivered_are_not_delivered_again() -> None:
    here = position(5)
    first = here.accept(response(5, 7, 7, fragment=True), WHERE)
    assert first is not None
    assert first.is_fragment
    here.begin_again()
    assert here.request().start_revision == 7
    here.accept(created(10), WHERE)
    again = here.accept(response(7, 7, 7, 8), WHERE)
    assert again is not None
    assert [event.item.mod_revision for event in again.events] == [7, 8]
    assert here.request().start_revision == 9


def test_a_break_inside_a_repeated_fragment_is_remembered_too() -> None:
    here = position(7)
    here.accept(response(7, 7, fragment=True), WHERE)
    here.begin_again()
    here.accept(response(7, fragment=True), WHERE)
    here.accept(response(7, 7, fragment=True), WHERE)
    here.begin_again()
    batch = here.accept(response(7, 7, 7, 7), WHERE)
    assert batch is not None
    assert len(batch.events) == 1


def test_a_compacted_start_says_from_where_there_is_history() -> None:
    with pytest.raises(WatchCompacted) as caught:
        position(5).accept(rpc.WatchResponse(canceled=True, compact_revision=9), WHERE)
    assert (caught.value.wanted, caught.value.compact_revision) == (5, 9)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("rpc error: code = PermissionDenied desc = etcdserver: permission denied", errors.PERMISSION_DENIED),
        ("etcdserver: invalid auth token", errors.AUTHENTICATION_FAILED),
        ("", errors.REQUEST_REFUSED),
    ],
)
def test_a_cancelled_watch_says_why(reason: str, kind: errors.ErrorKind) -> None:
    with pytest.raises(BackstayError) as caught:
        position().accept(rpc.WatchResponse(canceled=True, cancel_reason=reason), WHERE)
    assert caught.value.kind is kind
