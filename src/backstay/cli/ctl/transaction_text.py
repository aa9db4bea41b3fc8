"""The lines in which etcdctl takes a transaction: comparisons, and requests as the command line has them.

    mod("key") > "0"            target(quoted key) sign quoted value; targets ver, create, mod, value, lease
                                (an empty line ends the comparisons)
    put key "a value"           get, put and del with their flags, words in quotes where they hold blanks
                                (an empty line ends the requests of success, another those of failure)

Pure but for the flags of a request, which the commands themselves read. A lease is compared in hex, as everywhere on the
command line; etcdctl 3.7 ends in a panic there, as it does over a sign that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import click

from backstay.cli.ctl import keys
from backstay.cli.ctl.door import INVALID_INPUT
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.render.etcdctl import go
from backstay.etcd.operations import Compare, Operation
from backstay.etcd.pb import rpc_pb2 as rpc

_QUOTED = r'"(?:[^"\\]|\\.)*"|`[^`]*`'
_COMPARISON = re.compile(rf"\s*(?P<key>{_QUOTED})(?P<close>\))?\s*(?P<sign>\S+)?\s*(?P<value>{_QUOTED})?")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\'"\s]\S*[^\'"\s]?')
_SIGNS = ("=", "!=", "<", ">")
_NUMBERS: dict[str, Callable[[bytes, str, int], Compare]] = {
    "ver": Compare.version,
    "version": Compare.version,
    "c": Compare.create_revision,
    "create": Compare.create_revision,
    "m": Compare.mod_revision,
    "mod": Compare.mod_revision,
}


def comparison(line: str) -> Compare:
    """One comparison; a broken one is refused in etcdctl's words."""
    target, parenthesis, rest = line.partition("(")
    if not parenthesis:
        raise _invalid(f"malformed comparison: {line}")
    key, sign, value = _parts(rest)
    if value is None:
        shown = f"{target}({go.quoted(key or b'')}) {sign} {go.quoted('')}"
        raise _invalid(f"malformed comparison: {line}; got {shown}")
    assert key is not None
    if target not in (*_NUMBERS, "val", "value", "lease"):
        raise _invalid(f"malformed comparison: {line} (unknown target {target})")
    if sign not in _SIGNS:
        raise _invalid(f"malformed comparison: {line} (unknown sign {sign})")
    if target in ("val", "value"):
        return Compare.value(key, sign, value)
    try:
        number = go.integer(go.text_of(value), 16 if target == "lease" else 10)
    except ValueError:
        raise _invalid(f"invalid txn compare request: {line}") from None
    return Compare.lease(key, sign, number) if target == "lease" else _NUMBERS[target](key, sign, number)


def operation(line: str) -> Operation:
    """One request; a broken one is refused in etcdctl's words."""
    words = list(arguments_of(line))
    if len(words) < 2:
        raise _invalid(f"invalid txn compare request: {line}")
    name, *rest = words
    match name:
        case "get":
            key_words, flags = _flags(keys.get, rest, line)
            return Operation(rpc.RequestOp(request_range=keys.get_request(key_words, **flags)))
        case "put":
            key_words, flags = _flags(keys.put, rest, line)
            request = keys.put_request_of(key_words, lambda: b"", **flags)
            return Operation(rpc.RequestOp(request_put=request))
        case "del":
            key_words, flags = _flags(keys.delete, rest, line)
            return Operation(rpc.RequestOp(request_delete_range=keys.del_request(key_words, **flags)))
        case _:
            raise _invalid(f"invalid txn request: {line}")


def arguments_of(line: str) -> Iterator[str]:
    """The words of a line: bare, between single quotes, or between double quotes with Go's escapes."""
    for word in _WORD.findall(line):
        if word.startswith("'"):
            yield word[1:-1]
        elif word.startswith('"'):
            try:
                yield go.text_of(go.unquoted(word))
            except ValueError as problem:
                raise _invalid(str(problem)) from None
        else:
            yield word


def _parts(rest: str) -> tuple[bytes | None, str, bytes | None]:
    """Key, sign and value as far as they can be read; each ends the reading where it is broken."""
    found = _COMPARISON.match(rest)
    if found is None:
        return None, "", None
    try:
        key = go.unquoted(found["key"])
    except ValueError:
        return None, "", None
    if found["close"] is None or found["sign"] is None:
        return key, "", None
    try:
        value = go.unquoted(found["value"]) if found["value"] is not None else None
    except ValueError:
        value = None
    return key, found["sign"], value


def _flags(command: click.Command, words: list[str], line: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    try:
        ctx = command.make_context(command.name, words)
    except (click.UsageError, click.exceptions.Exit, EtcdctlFailure):
        raise _invalid(f"invalid txn request: {line}") from None
    flags = dict(ctx.params)
    return tuple(flags.pop("words")), flags


def _invalid(sentence: str) -> EtcdctlFailure:
    return EtcdctlFailure(sentence, INVALID_INPUT)
