"""What a command of `ctl` holds while it runs: the way to etcd, the form of the output, and whether it only plans.

Commands call etcd with etcd's own messages, because the forms `json` and `protobuf` are those messages.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import click
from google.protobuf.message import Message

from backstay import errors
from backstay.cli import invocation
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.options import EtcdFormat, given_flags
from backstay.cli.reach import reach_aloud
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.answer import Answer
from backstay.cli.reporting import Reporting
from backstay.cli.settings import TRUE_WORDS, ConnectionSettings
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.methods import MEMBER_LIST, Method
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.watch import WatchCompacted

BAD_CONNECTION, INVALID_INPUT, BAD_FEATURE, INTERRUPTED, BAD_ARGUMENTS = 2, 3, 4, 5, 128
"""etcdctl's exit statuses beside 0 and 1."""

CHANGE_FORMS = (EtcdFormat.SIMPLE, EtcdFormat.JSON, EtcdFormat.FIELDS, EtcdFormat.PROTOBUF, EtcdFormat.YAML)
"""What the answers to changes have: everything but a table."""

_FORMAT_VARIABLES = ("BACKSTAY_OUTPUT", "ETCDCTL_WRITE_OUT")
_HEX_VARIABLES = ("BACKSTAY_HEX", "ETCDCTL_HEX")
_COMPACTED = "etcdserver: mvcc: required revision has been compacted"

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Ctl:
    """One running command."""

    connection: ConnectionSettings
    reporting: Reporting
    form_name: str
    is_hex: bool
    dry_run: bool

    @classmethod
    def of_running_command(cls, connection: ConnectionSettings, reporting: Reporting, *, dry_run: bool) -> Ctl:
        """What flags and variables say to the command that runs now."""
        flags = given_flags(click.get_current_context())
        environment = invocation.current().environment

        def last(name: str, variables: tuple[str, ...], otherwise: str) -> str:
            said = [environment[variable] for variable in reversed(variables) if environment.get(variable)]
            return [otherwise, *said, *flags.get(name, ())][-1].removeprefix("=")

        form_name = last("output", _FORMAT_VARIABLES, EtcdFormat.SIMPLE.value)
        return cls(connection, reporting, form_name, last("hex", _HEX_VARIABLES, "false") in TRUE_WORDS, dry_run)

    @property
    def form(self) -> EtcdFormat:
        """The form of the output; refuses an unknown one."""
        try:
            return EtcdFormat(self.form_name)
        except ValueError:
            raise EtcdctlFailure("unsupported output format", BAD_FEATURE) from None

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """A client of all endpoints that has logged in, closed at the end of the block."""
        _ = self.form  # a wrong one is refused before anything is sent
        with Client(self._options()) as client:
            log_in(client)
            yield client

    @contextlib.contextmanager
    def endpoint_clients(self, *, of_cluster: bool) -> Iterator[list[tuple[str, Client]]]:
        """One client for each endpoint, with the endpoint as it was written; `of_cluster` takes all members' instead."""
        _ = self.form
        options = self._options()
        texts = self.connection.endpoints or tuple(str(endpoint) for endpoint in options.endpoints)
        if of_cluster:
            texts = tuple(self._cluster_urls())
        with contextlib.ExitStack() as stack:
            yield [
                (text, stack.enter_context(Client(replace(options, endpoints=(_endpoint(text, options),)))))
                for text in texts
            ]

    def change(
        self,
        client: Client,
        method: Method[Request, Response],
        request: Request,
        plan: str,
        *,
        forms: tuple[EtcdFormat, ...] = CHANGE_FORMS,
    ) -> Response | None:
        """Send a request that changes something; with --dry-run say the plan instead, and return None.

        A form that the answer will not have is refused before anything is sent.
        """
        self.require(*forms)
        if self.dry_run:
            self.plan(plan)
            return None
        return client.exchange(method, request)

    def plan(self, sentence: str) -> None:
        """What --dry-run says in place of acting."""
        data = Answer(lambda: f"Would {sentence}.", json=lambda: {"dry_run": True, "would": sentence})
        machine = (EtcdFormat.JSON, EtcdFormat.YAML)
        say(data.text(self.form if self.form in machine else EtcdFormat.SIMPLE) or "")

    def require(self, *forms: EtcdFormat) -> None:
        """Refuse, before anything is sent, a form that the answer will not have."""
        if self.form not in forms:
            raise _unsupported(self.form)

    def show(self, answer: Answer) -> None:
        """Print an answer in the form that was asked for."""
        if self.form is EtcdFormat.PROTOBUF and answer.message is not None:
            sys.stdout.buffer.write(answer.message.SerializeToString())
            return
        text = answer.text(self.form)
        if text is None:
            raise _unsupported(self.form)
        say(text)

    def _options(self) -> ConnectionOptions:
        return reach_aloud(self.connection, self.reporting).options

    def _cluster_urls(self) -> list[str]:
        with self.client() as client:
            try:
                response = client.exchange(MEMBER_LIST, rpc.MemberListRequest(linearizable=True))
            except errors.BackstayError as problem:
                said = told_by_etcd(problem) or str(problem)
                text = f"failed to fetch endpoints from etcd cluster member list: {said}"
                raise EtcdctlFailure(text, 1) from problem
        return [url for member in response.members for url in member.clientURLs]


def say(text: str, *, err: bool = False) -> None:
    """Print lines; an empty text prints nothing. What is no UTF-8 is written as the bytes it stands for."""
    if text:
        click.echo(go.bytes_of(text), err=err)


def told_by_etcd(problem: errors.BackstayError) -> str | None:
    """What etcd itself said, in the words that etcdctl prints; None where the failure is not a refusal by etcd."""
    if isinstance(problem, WatchCompacted):
        return _COMPACTED
    said = problem.why
    if said.startswith(("etcdserver:", "rpc error:")):
        return said
    return f"rpc error: code = Unknown desc = {said}" if said.startswith(("auth:", "raft:", "mvcc:")) else None


def told(problem: errors.BackstayError) -> str:
    """The failure in one line: in etcd's words, else in ours."""
    return told_by_etcd(problem) or str(problem)


def log_in(client: Client) -> None:
    """Log in now; a refusal has an exit status of its own."""
    try:
        client.log_in()
    except errors.BackstayError as problem:
        said = told_by_etcd(problem)
        if said is None:
            raise
        raise EtcdctlFailure(said, BAD_CONNECTION) from problem


def _unsupported(form: EtcdFormat) -> EtcdctlFailure:
    return EtcdctlFailure(f"{form.value} not supported as output format", BAD_FEATURE)


def _endpoint(text: str, options: ConnectionOptions) -> Endpoint:
    (endpoint,) = ConnectionOptions.of([text], options.credentials).endpoints
    return endpoint
