"""`ctl txn`: one transaction from standard input, in the lines of `transaction_text.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from backstay.cli.ctl.door import INVALID_INPUT, Ctl, say
from backstay.cli.ctl.frame import arguments, bad_arguments, ctl_command, flag
from backstay.cli.ctl.transaction_text import comparison, operation
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.keys import transaction_answer
from backstay.etcd import methods
from backstay.etcd.operations import txn_request

Part = TypeVar("Part")


@ctl_command(
    changes=True,
    examples="""
    backstay ctl txn --interactive
    # if the key is absent, write it; else print it
    printf 'create("lock") = "0"\\n\\nput lock me\\n\\nget lock\\n\\n' | backstay ctl txn
    """,
)
@arguments("< LINES")
@flag("--interactive", "-i", help="Say which lines are expected next.")
def command(*, ctl: Ctl, words: tuple[str, ...], interactive: bool) -> None:
    """Read comparisons and requests from standard input, and apply them as one transaction.

    Three blocks, each ended by an empty line: comparisons such as `mod("key") > "0"`; requests (get, put, del) for when
    all of them hold; requests for when one does not.
    """
    if words:
        bad_arguments("txn command does not accept argument")

    def block(title: str, parse: Callable[[str], Part]) -> tuple[Part, ...]:
        if interactive:
            say(title)
        return tuple(parse(line) for line in _block())

    with ctl.client() as client:
        compare = block("compares:", comparison)
        success = block("success requests (get, put, del):", operation)
        failure = block("failure requests (get, put, del):", operation)
        plan = f"compare {len(compare)} conditions, then run {len(success)} or else {len(failure)} requests"
        response = ctl.change(client, methods.TXN, txn_request(compare, success, failure), plan)
    if response is not None:
        ctl.show(transaction_answer(response, is_hex=ctl.is_hex))


def _block() -> Iterator[str]:
    """The lines up to the next empty one, as they come; an input that ends before it is refused."""
    while True:
        line = go.text_of(sys.stdin.buffer.readline())
        if not line.endswith("\n"):
            raise EtcdctlFailure("EOF", INVALID_INPUT)
        if not line.strip():
            return
        yield line.strip()
