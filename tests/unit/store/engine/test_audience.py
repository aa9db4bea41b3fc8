"""Who hears of a change: the same watchers, each once, as asking every one of them finds."""

from __future__ import annotations

import random

from backstay.store.ranges import KeyRange
from backstay.store.watching import Watcher, WatchSpec, WatchStream
from backstay.store.watching.audience import Audience, is_prefix

STARTS = (b"a", b"ab", b"abc", b"abcd", b"b", b"\xff", b"a\xff", b"")
ENDS = (b"", b"", b"\0", b"b", b"ac", b"abd", b"abce", b"a\xff\0", b"c")


def test_the_audience_of_a_key_is_everybody_who_wants_it_once() -> None:
    chosen = random.Random(5)
    audience = Audience()
    watchers: list[Watcher] = []
    for step in range(3_000):
        if watchers and chosen.random() < 0.4:
            audience.remove(watchers.pop(chosen.randrange(len(watchers))))
        else:
            spec = WatchSpec(chosen.choice(STARTS), chosen.choice(ENDS))
            if not spec.within.is_empty:
                watchers.append(Watcher(WatchStream(), step, spec, spec.within, 1))
                audience.add(watchers[-1])
        assert bool(audience) == bool(watchers)
        for key in (b"a", b"ab", b"abc", b"abcde", b"b", b"\xff", b"\xffx", b"a\xff", b"\0", b"zz"):
            found = [each for each in audience.of(key) if each.wants(key, is_deletion=False)]
            assert len(found) == len(set(found))
            assert set(found) == {each for each in watchers if each.wants(key, is_deletion=False)}
    for watcher in watchers:
        audience.remove(watcher)
        audience.remove(watcher)
    assert not audience and not audience._lengths


def test_what_a_prefix_is() -> None:
    assert is_prefix(KeyRange(b"/registry/", b"/registry0")) and is_prefix(KeyRange(b"a", b"b"))
    for within in ((b"a", b"a\0"), (b"a", None), (b"", b"\x01"), (b"\xff", b"\xff\0"), (b"a", b"c"), (b"a\xff", b"b")):
        assert not is_prefix(KeyRange(*within))
