"""What the commands of `backstay ctl` share: the shape of a command, and Go's words for wrong flags.

A command module writes

    @ctl_command(examples=...)
    @flag("--prefix", help=...)
    @number("--limit", help=...)
    def command(*, ctl: Ctl, words: tuple[str, ...], prefix: bool, limit: int) -> int | None: ...

`words` are the arguments, whose number each command checks itself, because each says it in its own words. `ctl` is the
door to etcd and to the screen (`door.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import click

from backstay import errors
from backstay.cli.ctl.door import BAD_ARGUMENTS, Ctl, told_by_etcd
from backstay.cli.ctl.tree import Integer, ctl_parameters
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.groups import CommandBody, EtcdCommand, Option, SwitchOption, etcd_command_of
from backstay.cli.options import attach, connection_options, dry_run_option, reporting_options, switch_option
from backstay.cli.render.etcdctl import go
from backstay.cli.reporting import Reporting
from backstay.cli.settings import ConnectionSettings
from backstay.errors import ExitStatus

NAME = "backstay ctl"
flag = switch_option


class CtlCommand(EtcdCommand):
    """A command of etcdctl: wrong flags are told in its words, and refusals of etcd in etcd's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as problem:
            _refuse(self, _unknown_flag(problem.option_name, given))
        except click.BadOptionUsage as problem:
            name = problem.option_name
            _refuse(self, f"flag needs an argument: {name if name.startswith('--') else _shorthand(name, given)}")
        except click.BadParameter as problem:
            if not isinstance(problem.param, click.Option):
                raise
            _refuse(self, _bad_value(problem, problem.param, given))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.BackstayError as problem:
            said = told_by_etcd(problem)
            if said is None:
                raise
            raise EtcdctlFailure(said, self.failure_status) from problem
        except KeyboardInterrupt:
            ctx.exit(ExitStatus.INTERRUPTED)  # without a word: it is how a watch ends

    @property
    def failure_status(self) -> int:
        """The exit status of a refusal by etcd."""
        return self.statuses.other if self.statuses is not None else 1


def ctl_command(
    *, examples: str, changes: bool = False, failure: int = 1, cls: type[CtlCommand] = CtlCommand
) -> Callable[[CommandBody], CtlCommand]:
    """Make a function a command of `ctl`; with `changes` it gets --dry-run. `failure` is the status of a refusal."""

    def decorate(function: CommandBody) -> CtlCommand:
        @functools.wraps(function)
        def body(
            *,
            words: tuple[str, ...],
            connection: ConnectionSettings,
            reporting: Reporting,
            dry_run: bool = False,
            **values: Any,
        ) -> int | None:
            ctl = Ctl.of_running_command(connection, reporting, dry_run=dry_run)
            return function(ctl=ctl, words=words, **values)

        words = click.Argument(["words"], nargs=-1, metavar=_metavar(function))
        whole = connection_options(reporting_options(attach(body, [*ctl_parameters(), words])))
        if changes:
            whole = dry_run_option(whole)
        return etcd_command_of(cls, examples=examples, failure=failure)(whole)

    return decorate


def number(*names: str, help: str, default: int = 0) -> Callable[[CommandBody], CommandBody]:
    """Add a number, 0 unless given otherwise."""
    return _option(*names, help=help, default=default, type=Integer(), metavar="INT")


def text(*names: str, help: str, default: str = "", metavar: str = "TEXT") -> Callable[[CommandBody], CommandBody]:
    """Add a text, empty unless given otherwise."""
    return _option(*names, help=help, default=default, metavar=metavar)


def _option(*names: str, **attributes: Any) -> Callable[[CommandBody], CommandBody]:
    def decorate(function: CommandBody) -> CommandBody:
        return attach(function, [Option(list(names), **attributes)])

    return decorate


def arguments(metavar: str) -> Callable[[CommandBody], CommandBody]:
    """Say in the usage what the arguments are."""

    def decorate(function: CommandBody) -> CommandBody:
        # On the function itself, as click keeps its own: `ctl_command`, which stands above, reads it there.
        function.__ctl_arguments__ = metavar  # type: ignore[attr-defined]
        return function

    return decorate


def bad_arguments(sentence: str) -> NoReturn:
    """Refuse arguments in etcdctl's words."""
    raise EtcdctlFailure(sentence, BAD_ARGUMENTS)


def _metavar(function: CommandBody) -> str:
    return getattr(function, "__ctl_arguments__", "")


def _refuse(command: click.Command, sentence: str) -> NoReturn:
    raise EtcdctlFailure(f"{sentence}\nSee `{NAME} ... {command.name} --help`.", 1) from None


def _unknown_flag(name: str, given: list[str]) -> str:
    if name.startswith("--"):
        return f"unknown flag: {name}"
    return f"unknown shorthand flag: {_shorthand(name, given)}"


def _shorthand(name: str, given: list[str]) -> str:
    letter = name.lstrip("-")[:1]
    whole = next(
        (word for word in given if word.startswith("-") and not word.startswith("--") and letter in word), name
    )
    return f"'{letter}' in {whole}"


def _bad_value(problem: click.BadParameter, option: click.Option, given: list[str]) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    value = _value_of(option, given)
    why = problem.message
    if isinstance(option, SwitchOption):
        why = f"strconv.ParseBool: parsing {go.quoted(value)}: invalid syntax"
    return f"invalid argument {go.quoted(value)} for {go.quoted(names)} flag: {why}"


def _value_of(option: click.Option, given: list[str]) -> str:
    """What was given for the option, as far as the words tell."""
    for word, following in zip(given, [*given[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in option.opts:
            return value if equals else following
    return ""
