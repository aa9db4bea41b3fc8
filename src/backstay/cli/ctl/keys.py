"""`ctl get`, `put`, `del` and `compaction`: etcdctl's commands about keys.

`*_request` make etcd's request of the words and flags of a command; `txn` uses them for its lines too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from backstay.cli.ctl.door import BAD_ARGUMENTS, BAD_FEATURE, Ctl, say
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag, number, text
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.options import EtcdFormat
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.keys import delete_answer, put_answer, range_answer
from backstay.etcd import methods
from backstay.etcd.operations import FROM_KEY, SortOrder, SortTarget, prefix_end
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.requests import delete_request, put_request, range_request
from backstay.sources import key_text

NO_SECOND_ARGUMENT = "too many arguments, only accept one argument when `--prefix` or `--from-key` is set"
ONE_OF_BOTH = "`--prefix` and `--from-key` cannot be set at the same time, choose one"
DELETE_DELAY_SECONDS = 2.0

Choice = TypeVar("Choice")

_ORDERS = {"": SortOrder.NONE, "ASCEND": SortOrder.ASCEND, "DESCEND": SortOrder.DESCEND}
_TARGETS = {
    "": SortTarget.KEY, "KEY": SortTarget.KEY, "CREATE": SortTarget.CREATE, "MODIFY": SortTarget.MOD,
    "VALUE": SortTarget.VALUE, "VERSION": SortTarget.VERSION,
}  # fmt: skip


@ctl_command(
    examples="""
    backstay ctl get /registry/namespaces/default
    backstay ctl get / --prefix --keys-only --limit 50
    backstay ctl get /registry/pods/ --prefix --count-only -w fields
    backstay ctl get app/config --rev 4711 -w json
    """
)
@arguments("KEY [RANGE_END]")
@flag("--prefix", help="Every key that begins with KEY.")
@flag("--from-key", help="Every key from KEY on, in the order of bytes.")
@number("--limit", help="At most so many keys; 0 is no limit.")
@text("--order", help="ASCEND or DESCEND.", metavar="ORDER")
@text("--sort-by", help="CREATE, KEY, MODIFY, VALUE or VERSION.", metavar="TARGET")
@number("--rev", help="As of this revision; 0 is the newest.")
@flag("--keys-only", help="Leave the values out.")
@flag("--count-only", help="Only say how many there are; needs `-w fields`.")
@flag("--print-value-only", help="Write the values alone; only with `-w simple`.")
@text("--consistency", default="l", help="l: linearizable, s: serializable, one member's own view.", metavar="l|s")
@flag("--stream", help="Let etcd 3.7 send the answer in pieces.")
@number("--min-mod-rev", help="Leave out keys that were changed before this revision.")
@number("--max-mod-rev", help="Leave out keys that were changed after this revision.")
@number("--min-create-rev", help="Leave out keys that were created before this revision.")
@number("--max-create-rev", help="Leave out keys that were created after this revision.")
def get(*, ctl: Ctl, words: tuple[str, ...], print_value_only: bool, stream: bool, **flags: Any) -> None:
    """Print the key KEY with its value, or the keys of a range."""
    request = get_request(words, **flags)
    if flags["count_only"] and ctl.form is not EtcdFormat.FIELDS:
        bad_arguments("--count-only is only for `--write-out=fields`")
    if print_value_only and ctl.form is not EtcdFormat.SIMPLE:
        bad_arguments("print-value-only is only for `--write-out=simple`")
    with ctl.client() as client:
        response = client.kv.stream_range(request) if stream else client.exchange(methods.RANGE, request)
    ctl.show(range_answer(response, is_hex=ctl.is_hex, value_only=print_value_only))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl put greeting hello
    backstay ctl put greeting --lease=7dbd9c1e0a2f4b11 --prev-kv < file
    backstay ctl put -- -key -value
    """,
)
@arguments("KEY [VALUE]")
@text("--lease", default="0", help="Attach the key to this lease, in hex.", metavar="ID")
@flag("--prev-kv", help="Print what the key held before.")
@flag("--ignore-value", help="Keep the value that the key has.")
@flag("--ignore-lease", help="Keep the lease that the key has.")
def put(*, ctl: Ctl, words: tuple[str, ...], **flags: Any) -> None:
    """Write VALUE, or what comes on standard input, at KEY."""
    request = put_request_of(words, sys.stdin.buffer.read, **flags)
    with ctl.client() as client:
        plan = f"put {len(request.value)} bytes at {key_text(request.key)}"
        response = ctl.change(client, methods.PUT, request, plan)
    if response is not None:
        ctl.show(put_answer(response, is_hex=ctl.is_hex))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl del app/old
    backstay ctl del app/cache/ --prefix --dry-run
    backstay ctl del a m --range --prev-kv
    """,
)
@arguments("KEY [RANGE_END]")
@flag("--prefix", help="Every key that begins with KEY.")
@flag("--from-key", help="Every key from KEY on, in the order of bytes.")
@flag("--prev-kv", help="Print what is deleted.")
@flag("--range", "is_range", help="Do not wait two seconds before a range is deleted.")
def delete(*, ctl: Ctl, words: tuple[str, ...], is_range: bool, **flags: Any) -> None:
    """Delete KEY, or the keys of a range."""
    request = del_request(words, **flags)
    if len(words) > 1 and not is_range and not ctl.dry_run:
        _warn_of_range(*words)
    with ctl.client() as client:
        plan = "delete nothing"
        if ctl.dry_run:
            range_end = bytes(request.range_end)
            counted = client.exchange(
                methods.RANGE, range_request(request.key, {"range_end": range_end, "keys_only": True})
            )
            names = [key_text(item.key) for item in counted.kvs]
            plan = f"delete {len(names)} keys" + (f": {', '.join(names)}" if names else "")
        response = ctl.change(client, methods.DELETE_RANGE, request, plan)  # fmt: skip
    if response is not None:
        ctl.show(delete_answer(response, is_hex=ctl.is_hex))


@ctl_command(
    changes=True,
    examples="""
    backstay ctl compaction 120000
    backstay ctl compaction 120000 --physical
    """,
)
@arguments("REVISION")
@flag("--physical", help="Wait until the old records are off the database.")
def compaction(*, ctl: Ctl, words: tuple[str, ...], physical: bool) -> None:
    """Forget the history before REVISION."""
    if len(words) != 1:
        bad_arguments("compaction command needs 1 argument")
    try:
        revision = go.integer(words[0])
    except ValueError as problem:
        raise EtcdctlFailure(str(problem), 1) from None
    request = rpc.CompactionRequest(revision=revision, physical=physical)
    with ctl.client() as client:
        response = ctl.change(
            client, methods.COMPACT, request, f"forget the history before revision {revision}", forms=tuple(EtcdFormat)
        )
    if response is not None:
        say(f"compacted revision {revision}")


def get_request(
    words: tuple[str, ...],
    *,
    prefix: bool,
    from_key: bool,
    limit: int,
    order: str,
    sort_by: str,
    rev: int,
    keys_only: bool,
    count_only: bool,
    consistency: str,
    min_mod_rev: int,
    max_mod_rev: int,
    min_create_rev: int,
    max_create_rev: int,
    **_others: Any,
) -> rpc.RangeRequest:
    """The request of `get`, refused in etcdctl's words."""
    if not words:
        bad_arguments("get command needs one argument as key and an optional argument as range_end")
    if prefix and from_key:
        bad_arguments(ONE_OF_BOTH)
    if keys_only and count_only:
        bad_arguments("`--keys-only` and `--count-only` cannot be set at the same time, choose one")
    serializable = is_serializable(consistency)
    if len(words) > 1 and (prefix or from_key):
        bad_arguments(NO_SECOND_ARGUMENT)
    for names, low, high in (("CreateRev", min_create_rev, max_create_rev), ("ModRev", min_mod_rev, max_mod_rev)):
        if 0 < high < low:
            raise EtcdctlFailure(f"getMin{names}(={low}) > getMax{names}(={high})", BAD_FEATURE)
    key, range_end = _range(words, prefix=prefix, from_key=from_key)
    sort_order = _chosen(_ORDERS, order, "bad sort order")
    sort_target = _chosen(_TARGETS, sort_by, "bad sort target")
    if sort_target is SortTarget.KEY and sort_order is SortOrder.ASCEND:
        sort_order = SortOrder.NONE  # the order of keys; asked for by name the server would sort the whole range
    return range_request(
        key,
        {
            "range_end": range_end,
            "limit": limit,
            "revision": max(rev, 0),
            "sort_order": sort_order,
            "sort_target": sort_target,
            "serializable": serializable,
            "keys_only": keys_only,
            "count_only": count_only,
            "min_mod_revision": max(min_mod_rev, 0),
            "max_mod_revision": max(max_mod_rev, 0),
            "min_create_revision": max(min_create_rev, 0),
            "max_create_revision": max(max_create_rev, 0),
        },
    )


def put_request_of(
    words: tuple[str, ...],
    read_input: Callable[[], bytes],
    *,
    lease: str,
    prev_kv: bool,
    ignore_value: bool,
    ignore_lease: bool,
    **_others: Any,
) -> rpc.PutRequest:
    """The request of `put`; the value comes from `read_input` when no word gives it."""
    if not words:
        bad_arguments("put command needs 1 argument and input from stdin or 2 arguments")
    if ignore_value and len(words) > 1:
        bad_arguments("put command needs only 1 argument when 'ignore-value' is set")
    value = b""
    if not ignore_value:
        value = go.bytes_of(words[1]) if len(words) > 1 else read_input()
        if len(words) == 1 and not value:
            bad_arguments("put command needs 1 argument and input from stdin or 2 arguments")
    return put_request(
        go.bytes_of(words[0]),
        value,
        {
            "lease": hex_argument(lease, "bad lease ID"),
            "previous": prev_kv,
            "ignore_value": ignore_value,
            "ignore_lease": ignore_lease,
        },
    )


def del_request(
    words: tuple[str, ...], *, prefix: bool, from_key: bool, prev_kv: bool, **_others: Any
) -> rpc.DeleteRangeRequest:
    """The request of `del`, refused in etcdctl's words."""
    if not 1 <= len(words) <= 2:
        bad_arguments("del command needs one argument as key and an optional argument as range_end")
    if prefix and from_key:
        bad_arguments(ONE_OF_BOTH)
    if len(words) > 1 and (prefix or from_key):
        bad_arguments(NO_SECOND_ARGUMENT)
    key, range_end = _range(words, prefix=prefix, from_key=from_key)
    return delete_request(key, range_end, previous=prev_kv)


def is_serializable(consistency: str) -> bool:
    """What --consistency asks for."""
    if consistency not in ("l", "s"):
        raise EtcdctlFailure(f"unknown consistency flag {go.quoted(consistency)}", BAD_FEATURE)
    return consistency == "s"


def hex_argument(text: str, what: str) -> int:
    """A lease's id as the command line has it; `what` begins the refusal."""
    try:
        return go.integer(text, 16)
    except ValueError as problem:
        raise EtcdctlFailure(f"{what} ({problem}), expecting ID in Hex", BAD_ARGUMENTS) from None


def _range(words: tuple[str, ...], *, prefix: bool, from_key: bool) -> tuple[bytes, bytes]:
    """Key and range end of a command; the empty key of a range is the lowest one."""
    key = go.bytes_of(words[0])
    if prefix or from_key:
        range_end = FROM_KEY if from_key or not key else prefix_end(key)
        return key or b"\x00", range_end
    return key, go.bytes_of(words[1]) if len(words) > 1 else b""


def _warn_of_range(key: str, range_end: str) -> None:
    say(
        f"Warning: Keys between {go.quoted(key)} and {go.quoted(range_end)} will be deleted. Please interrupt the command "
        "within next 2 seconds to cancel. You can provide `--range` flag to avoid the delay.",
        err=True,
    )
    time.sleep(DELETE_DELAY_SECONDS)


def _chosen(choices: dict[str, Choice], said: str, refusal: str) -> Choice:
    if said.upper() not in choices:
        raise EtcdctlFailure(f"{refusal} {said}", BAD_FEATURE)
    return choices[said.upper()]
