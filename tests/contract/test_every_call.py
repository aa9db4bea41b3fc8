"""Every method of every service is answered by the handler: an empty request, a broken one, and random bytes never raise."""

from __future__ import annotations

import random

import pytest

from backstay.server.methods import CLIENT_STREAMS, PATHS, STREAMS, Op
from backstay.server.transport import StreamId
from tests.unit.server.served import CONN, Served

NOT_BY_THE_HANDLER = {Op.REFLECTION}

ONE_ANSWER = sorted(set(PATHS) - STREAMS - {Op.PUT})
STREAMING = sorted(STREAMS - NOT_BY_THE_HANDLER)


@pytest.mark.parametrize("op", ONE_ANSWER, ids=lambda op: op.name)
def test_a_call_is_answered_whatever_it_says(op: Op) -> None:
    served = Served()
    chosen = random.Random(op)
    broken = [b"\x0a\xff\xff", b"\xff", b"\x0a\x05abc"]
    for body in [b"", *broken, *(chosen.randbytes(chosen.randrange(40)) for _ in range(50))]:
        reply = served.call(op, body)
        if reply is None:  # a lock that waits for another one, a defragmentation
            assert op in (Op.LOCK, Op.CAMPAIGN, Op.DEFRAGMENT, Op.COMPACT)
        else:
            assert isinstance(reply, bytes) or (isinstance(reply, tuple) and len(reply) == 2 and reply[0] > 0)


@pytest.mark.parametrize("op", STREAMING, ids=lambda op: op.name)
def test_a_stream_survives_whatever_it_is_sent(op: Op) -> None:
    served = Served()
    chosen = random.Random(op)
    for number in range(30):
        stream = StreamId(1000 + number)
        bodies = [chosen.randbytes(chosen.randrange(30)) for _ in range(3)]
        first = b"" if op in CLIENT_STREAMS else bodies[0]
        served.handle((Op.OPEN, CONN, None, stream, op, first))
        for body in bodies if op in CLIENT_STREAMS else ():
            served.handle((Op.MESSAGE, CONN, None, stream, op, body))
        served.run_posted()
        served.handle((Op.HALF_CLOSE, CONN, None, stream, op, b""), (Op.CANCEL, CONN, None, stream, op, b""))
    assert served.engine.hub.watcher_count == 0


@pytest.mark.parametrize("op", STREAMING, ids=lambda op: op.name)
def test_events_of_a_stream_that_has_ended_are_ignored(op: Op) -> None:
    served = Served()
    for event in (Op.MESSAGE, Op.HALF_CLOSE, Op.CANCEL):
        served.handle((event, CONN, None, StreamId(5), op, b""))
    assert not served.transport.sent
