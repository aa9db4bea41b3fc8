"""The options that commands share, as decorators: each adds its options and gives the body one value.

Options that etcdctl takes anywhere are accepted before the command too, where they are hidden: `shared_parameters`
gives them to every group. What was given collects in the click context and is resolved when the command starts, so the
later one on the line wins, whichever side of the command it stands on.

    @connection_options    -> connection: ConnectionSettings
    @output_options        -> output: Format              (-o/--output, also -w)
    @etcd_output_option()  -> output: EtcdFormat          (-w/--write-out, also -o)
    @reporting_options     -> reporting: Reporting        (--quiet, --log-format, --progress)
    @dry_run_option        -> dry_run: bool
    @yes_option            -> yes: bool
    @switch_option("--skip-hash-check", help=...)         a boolean as Go's flags have it
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import CommandBody, Option, SwitchOption, TextType
from backstay.cli.reporting import LogFormat, ProgressMode, Reporting
from backstay.cli.settings import ConnectionSettings, duration_seconds, resolve

CONNECTION = "Connection (also from BACKSTAY_* and ETCDCTL_* variables)"
OUTPUT = "Output"
_FLAGS = "backstay.flags"

Choice = TypeVar("Choice", bound=Enum)


class Format(Enum):
    """The output formats of our own commands."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class EtcdFormat(Enum):
    """The output formats of the commands that etcd's tools have, and yaml."""

    SIMPLE = "simple"
    TABLE = "table"
    JSON = "json"
    FIELDS = "fields"
    PROTOBUF = "protobuf"
    YAML = "yaml"


class UnsupportedOutputFormat(click.UsageError):
    """An output format that this command does not have; etcd's tools have an exit status of its own for it."""


class Duration(TextType):
    """A Go duration; only checked here, `settings.resolve` converts it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            duration_seconds(value)
        except ValueError as error:
            self.fail(f"{error}: write a duration such as 5s, 1m30s or 500ms", param, ctx)
        return str(value)


def connection_options(function: CommandBody) -> CommandBody:
    """Add the options that say how to reach etcd; the body gets `connection`."""

    @functools.wraps(function)
    def with_connection(*arguments: Any, **values: Any) -> int | None:
        values["connection"] = resolve(given_flags(click.get_current_context()), invocation.current().environment)
        return function(*arguments, **values)

    return attach(with_connection, connection_parameters())


def output_options(function: CommandBody) -> CommandBody:
    """Add -o/--output for a command of our own; the body gets `output`."""
    return _output(function, Format, Format.TABLE, "--output", "-o", ("--write-out", "-w"), ("BACKSTAY_OUTPUT",))


def etcd_output_option(
    *, default: EtcdFormat = EtcdFormat.SIMPLE, unsupported: Sequence[EtcdFormat] = (EtcdFormat.PROTOBUF,)
) -> Callable[[CommandBody], CommandBody]:
    """Add -w/--write-out as etcd's tools have it; the body gets `output`."""
    variables = ("BACKSTAY_OUTPUT", "ETCDCTL_WRITE_OUT")

    def decorate(function: CommandBody) -> CommandBody:
        return _output(
            function, EtcdFormat, default, "--write-out", "-w", ("--output", "-o"), variables, tuple(unsupported)
        )

    return decorate


def reporting_options(function: CommandBody) -> CommandBody:
    """Add --quiet, --log-format and --progress; the body gets `reporting`."""

    @functools.wraps(function)
    def with_reporting(*arguments: Any, **values: Any) -> int | None:
        flags = given_flags(click.get_current_context())
        environment = invocation.current().environment
        log_format = flags.get("log_format", (environment.get("BACKSTAY_LOG_FORMAT") or LogFormat.TEXT.value,))[-1]
        if log_format not in {each.value for each in LogFormat}:
            raise errors.USAGE.error(f"unknown log format {log_format!r}", where="BACKSTAY_LOG_FORMAT")
        values["reporting"] = Reporting(
            quiet=flags.get("quiet", ("false",))[-1] == "true",
            log_format=LogFormat(log_format),
            progress=ProgressMode(flags.get("progress", (ProgressMode.AUTO.value,))[-1]),
            json_phases=flags.get("output", ("",))[-1] == Format.JSON.value,
        )
        return function(*arguments, **values)

    return attach(with_reporting, reporting_parameters())


def dry_run_option(function: CommandBody) -> CommandBody:
    """Add --dry-run; the body gets `dry_run`."""
    parameter = Option(["--dry-run"], is_flag=True, help="Print the plan and change nothing.")
    return attach(function, [parameter])


def yes_option(function: CommandBody) -> CommandBody:
    """Add --yes; the body gets `yes`."""
    return attach(function, [Option(["--yes", "-y"], is_flag=True, help="Do not ask before acting.")])


def switch_option(*names: str, help: str, default: bool = False) -> Callable[[CommandBody], CommandBody]:
    """Add a boolean that may be written `--flag`, `--flag=true` or `--flag=false`, as Go's flags are."""

    def decorate(function: CommandBody) -> CommandBody:
        return attach(function, [SwitchOption(list(names), help=help, default=default, show_default=False)])

    return decorate


def ask_password(connection: ConnectionSettings) -> ConnectionSettings:
    """`connection` with the password that --user lacks, asked for on the terminal; an error where there is none."""
    if not connection.needs_password:
        return connection
    if not sys.stdin.isatty():
        raise errors.USAGE.error(
            f"user {connection.user!r} was given without a password",
            where=connection.origin("user"),
            why="there is no terminal to ask for it",
            next_step="give --password, or set ETCDCTL_PASSWORD",
        )
    return replace(connection, password=click.prompt("Password", hide_input=True, err=True))


def shared_parameters() -> list[click.Parameter]:
    """What every group accepts, hidden, because etcdctl's users write it before the command."""
    output = collecting(["--write-out", "-w", "--output", "-o", "output"], "output", hidden=True)
    return [*connection_parameters(hidden=True), output, *reporting_parameters(hidden=True)]


def connection_parameters(*, hidden: bool = False) -> list[click.Parameter]:
    """etcdctl's connection options, in its spelling."""
    add = functools.partial(collecting, section=CONNECTION, hidden=hidden)
    switch = functools.partial(collecting, section=CONNECTION, hidden=hidden, kind=SwitchOption)
    duration = functools.partial(add, type=Duration(), metavar="DURATION")
    return [
        add(["--endpoints"], "endpoints", multiple=True, metavar="LIST", help="Comma-separated addresses of members."),
        add(["--cacert"], "cacert", metavar="FILE", help="The CA that signed the server's certificate."),
        add(["--cert"], "cert", metavar="FILE", help="The client certificate."),
        add(["--key"], "key", metavar="FILE", help="The key of the client certificate."),
        add(["--user"], "user", metavar="NAME[:PASSWORD]", help="The user of etcd's own authentication."),
        add(["--password"], "password", metavar="TEXT", help="Its password; then --user is the name alone."),
        add(["--auth-jwt-token"], "auth_jwt_token", metavar="TEXT", help="A JWT instead of a user."),
        switch(["--insecure-skip-tls-verify"], "insecure_skip_tls_verify", help="Do not verify the server."),
        switch(["--insecure-transport"], "insecure_transport", help="Allow plain text."),
        duration(["--dial-timeout"], "dial_timeout", help="How long to wait for a connection."),
        duration(["--command-timeout"], "command_timeout", help="How long to wait for an answer."),
        duration(["--keepalive-time"], "keepalive_time", help="How often to probe an idle connection."),
        duration(["--keepalive-timeout"], "keepalive_timeout", help="How long to wait for the probe's answer."),
        # Accepted because scripts give them: --debug as a wish for tracebacks, the others because they change nothing.
        collecting(["--debug"], "debug", hidden=True, kind=SwitchOption),
        collecting(["--insecure-discovery"], "insecure_discovery", hidden=True, kind=SwitchOption),
        collecting(["--discovery-srv-name"], "discovery_srv_name", hidden=True),
        Option(["--discovery-srv", "-d"], hidden=True, expose_value=False, callback=_refuse_discovery),
    ]


def reporting_parameters(*, hidden: bool = False) -> list[click.Parameter]:
    """How loud a command is."""
    add = functools.partial(collecting, section=OUTPUT, hidden=hidden)
    logs, modes = [each.value for each in LogFormat], [each.value for each in ProgressMode]
    return [
        add(["--quiet", "-q"], "quiet", kind=SwitchOption, help="No progress and no notes: results and errors only."),
        add(["--log-format"], "log_format", type=click.Choice(logs), help="How messages on stderr are written."),
        add(["--progress"], "progress", type=click.Choice(modes), help="When to draw progress on stderr."),
    ]


def collecting(names: list[str], name: str, *, kind: type[Option] = Option, **attributes: Any) -> Option:
    """An option whose values collect in the click context under `name`, on whichever side of the command it stands."""

    def collect(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is None or value == ():
            return
        values = value if isinstance(value, tuple) else (value,)
        flags = ctx.meta.setdefault(_FLAGS, {})
        flags[name] = flags.get(name, ()) + tuple(_word(each) for each in values)

    return kind(names, expose_value=False, callback=collect, **attributes)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def given_flags(ctx: click.Context) -> dict[str, tuple[str, ...]]:
    """Everything that has collected so far: each flag's values in their order."""
    flags: dict[str, tuple[str, ...]] = ctx.meta.get(_FLAGS, {})
    return flags


def _refuse_discovery(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value:
        # Ignoring it would talk to another cluster than the one that was meant.
        raise click.BadParameter("DNS discovery is not supported; name the members with --endpoints", ctx, param)


def _output(
    function: CommandBody,
    formats: type[Choice],
    default: Choice,
    long: str,
    short: str,
    synonyms: tuple[str, str],
    variables: tuple[str, ...],
    unsupported: tuple[Choice, ...] = (),
) -> CommandBody:
    names = [choice.value for choice in formats if choice not in unsupported]

    @functools.wraps(function)
    def with_output(*arguments: Any, **values: Any) -> int | None:
        ctx = click.get_current_context()
        environment = invocation.current().environment
        given = [*(environment[name] for name in reversed(variables) if environment.get(name))]
        given += given_flags(ctx).get("output", ())
        # pflag takes `-w=json`, which click reads as the value `=json`.
        word = given[-1].removeprefix("=") if given else default.value
        if word not in names:
            known = any(word == choice.value for choice in formats)
            text = f"{word} not supported as output format" if known else f"unsupported output format {word!r}"
            raise UnsupportedOutputFormat(f"{text}: choose {', '.join(names)}", ctx)
        values["output"] = formats(word)
        return function(*arguments, **values)

    help_text = f"The output format; {default.value} unless given."
    return attach(
        with_output,
        [
            collecting([long, short, "output"], "output", section=OUTPUT, metavar="|".join(names), help=help_text),
            collecting([*synonyms, "output_synonym"], "output", hidden=True),
        ],
    )


def attach(function: CommandBody, parameters: Sequence[click.Parameter]) -> CommandBody:
    """`function` with more parameters, as click's own decorators add them."""
    # Where click's own decorators keep what they collect: innermost first.
    collected: list[click.Parameter] = [*getattr(function, "__click_params__", []), *reversed(parameters)]
    function.__click_params__ = collected  # type: ignore[attr-defined]
    return function


__all__ = [
    "EtcdFormat", "Format", "UnsupportedOutputFormat", "ask_password", "attach", "collecting", "connection_options",
    "connection_parameters", "dry_run_option", "etcd_output_option", "given_flags", "output_options",
    "reporting_options", "reporting_parameters", "shared_parameters", "switch_option", "yes_option",
]  # fmt: skip
