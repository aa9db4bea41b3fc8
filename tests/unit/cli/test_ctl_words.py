"""The words of `ctl txn` and `ctl watch` mean what they mean to etcdctl, and a broken line is refused, never a panic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.cli.ctl.transaction_text import arguments_of, comparison, operation
from backstay.cli.ctl.watch_arguments import Watched, watched
from backstay.cli.failure import EtcdctlFailure
from backstay.etcd.operations import Compare, Operation
from backstay.etcd.pb import rpc_pb2 as rpc

ANY_LINE = st.text(st.sampled_from("ab\"'\\(`)=<>! 019\tverput-é\x00"), max_size=24)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('mod("key") > "0"', Compare.mod_revision(b"key", ">", 0)),
        ('m("key")   <   "12"', Compare.mod_revision(b"key", "<", 12)),
        ('c("k\\"ey") = "3"', Compare.create_revision(b'k"ey', "=", 3)),
        ('version("") != "-1"', Compare.version(b"", "!=", -1)),
        ('val("a b") = "tab\\t"', Compare.value(b"a b", "=", b"tab\t")),
        ("value(`raw\\n`) = `x`", Compare.value(b"raw\\n", "=", b"x")),
        ('lease("key") = "1f"', Compare.lease(b"key", "=", 31)),
        ('ver("key") = "1" and more', Compare.version(b"key", "=", 1)),
    ],
)
def test_a_comparison_is_read(line: str, expected: Compare) -> None:
    assert comparison(line) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing", "malformed comparison: nothing"),
        ('ver("key") ~ "1"', 'malformed comparison: ver("key") ~ "1" (unknown sign ~)'),
        ('age("key") = "1"', 'malformed comparison: age("key") = "1" (unknown target age)'),
        ('lease("key") = "xyz"', 'invalid txn compare request: lease("key") = "xyz"'),
        ('ver("key" = "1"', 'malformed comparison: ver("key" = "1"; got ver("key")  ""'),
    ],
)
def test_a_broken_comparison_is_refused(line: str, said: str) -> None:
    with pytest.raises(EtcdctlFailure) as refused:
        comparison(line)
    assert (refused.value.message, refused.value.status) == (said, 3)


def test_a_request_takes_the_flags_of_its_command() -> None:
    request = rpc.RangeRequest(key=b"a b", range_end=b"a c", limit=2, keys_only=True)
    assert operation("get 'a b' --prefix --limit=2 --keys-only") == Operation(rpc.RequestOp(request_range=request))
    put = rpc.PutRequest(key=b"k", value=b"line\n", lease=31, prev_kv=True)
    assert operation('put k "line\\n" --lease 1f --prev-kv') == Operation(rpc.RequestOp(request_put=put))
    delete = rpc.DeleteRangeRequest(key=b"a", range_end=b"m")
    assert operation("del a m") == Operation(rpc.RequestOp(request_delete_range=delete))


@given(ANY_LINE)
def test_no_line_is_more_than_refused(line: str) -> None:
    for read in (comparison, operation, lambda text: list(arguments_of(text))):
        try:
            read(line)
        except EtcdctlFailure as refused:
            assert refused.status in (3, 4, 128)


def test_a_watch_is_named_by_words_or_by_variables() -> None:
    nothing = {"variable_key": "", "variable_range_end": "", "prefix": False}
    assert watched(("a",), None, **nothing) == Watched(b"a", b"", ())
    assert watched(("a", "b"), ("echo", "a"), **nothing) == Watched(b"a", b"b", ("echo", "a"))
    assert watched(("a",), None, **{**nothing, "prefix": True}) == Watched(b"a", b"b", ())
    assert watched(("",), None, **{**nothing, "prefix": True}) == Watched(b"\x00", b"\x00", ())
    assert watched((), ("true",), **{**nothing, "variable_key": "k"}) == Watched(b"k", b"", ("true",))
    with pytest.raises(EtcdctlFailure, match="conflicting environment key"):
        watched(("a",), None, **{**nothing, "variable_key": "k"})
    with pytest.raises(EtcdctlFailure, match="found separator --, but no commands"):
        watched(("a",), (), **nothing)
