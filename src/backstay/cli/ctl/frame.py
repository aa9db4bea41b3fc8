"""What the commands of `backstay ctl` share: the shape of a command and of the tree, and Go's words for wrong flags.

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
from typing import TYPE_CHECKING, Any, NoReturn

import click

from backstay import errors
from backstay.cli.ctl.door import BAD_ARGUMENTS, Ctl, told_by_etcd
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.groups import CommandBody, EtcdCommand, LazyGroup, Option, SwitchOption, etcd_command_of
from backstay.cli.options import (
    OUTPUT,
    attach,
    collecting,
    connection_parameters,
    dry_run_option,
    reporting_parameters,
    shared_parameters,
    switch_option,
)
from backstay.cli.render.etcdctl import go

if TYPE_CHECKING:
    IntegerType = click.ParamType[int]
else:  # Older releases of click that we promise to work with have no type parameter here.
    IntegerType = click.ParamType

NAME = "backstay ctl"
FORMATS = "simple|json|table|fields|protobuf|yaml"

flag = switch_option


class Integer(IntegerType):
    """What Go's flags take for a number of 64 bits."""

    name = "int"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return go.integer(value, base=0)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


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

    @property
    def failure_status(self) -> int:
        """The exit status of a refusal by etcd."""
        return self.statuses.other if self.statuses is not None else 1


class CtlGroup(LazyGroup):
    """The tree below `ctl`. As in etcdctl, the beginning of a command's name is enough where it fits one command only."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is not None or not cmd_name:
            return found
        fitting = [name for name in self.list_commands(ctx) if name.startswith(cmd_name)]
        return super().get_command(ctx, fitting[0]) if len(fitting) == 1 else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            path = ctx.command_path
            raise EtcdctlFailure(
                f"unknown command {go.quoted(args[0])} for {go.quoted(path)}\nRun '{path} --help' for usage.", 1
            )
        return super().resolve_command(ctx, args)  # fmt: skip


def ctl_command(
    *, examples: str, changes: bool = False, failure: int = 1, cls: type[CtlCommand] = CtlCommand
) -> Callable[[CommandBody], CtlCommand]:
    """Make a function a command of `ctl`; with `changes` it gets --dry-run. `failure` is the status of a refusal."""

    def decorate(function: CommandBody) -> CtlCommand:
        @functools.wraps(function)
        def body(*, words: tuple[str, ...], dry_run: bool = False, **values: Any) -> int | None:
            return function(ctl=Ctl.of_running_command(dry_run=dry_run), words=words, **values)

        parameters: list[click.Parameter] = [
            *connection_parameters(),
            *ctl_parameters(),
            *reporting_parameters(),
            click.Argument(["words"], nargs=-1, metavar=_metavar(function)),
        ]
        whole = attach(body, parameters)
        if changes:
            whole = dry_run_option(whole)
        return etcd_command_of(cls, examples=examples, failure=failure)(whole)

    return decorate


def ctl_parameters(*, hidden: bool = False) -> list[click.Parameter]:
    """The options that etcdctl takes anywhere, besides those of the connection."""
    form = collecting(
        ["--write-out", "-w", "output"], "output", section=OUTPUT, hidden=hidden, metavar=FORMATS,
        help="The output format; simple unless given.",
    )  # fmt: skip
    synonym = collecting(["--output", "-o", "output_synonym"], "output", hidden=True)
    hexadecimal = collecting(
        ["--hex"], "hex", kind=SwitchOption, section=OUTPUT, hidden=hidden, help="Print bytes and ids in hex."
    )
    # Our client has no limits that these could set; scripts give them all the same.
    limits = [
        collecting([f"--{name}"], name, hidden=True, type=Integer()) for name in ("max-request-bytes", "max-recv-bytes")
    ]
    return [form, synonym, hexadecimal, *limits]  # fmt: skip


def shared_ctl_parameters() -> list[click.Parameter]:
    """What every group of the tree accepts, hidden."""
    names = {name for parameter in shared_parameters() for name in parameter.opts}
    return [
        *shared_parameters(),
        *(each for each in ctl_parameters(hidden=True) if not names.intersection(each.opts)),
    ]


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
