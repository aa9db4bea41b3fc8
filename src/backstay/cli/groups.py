"""The shapes of our commands: groups that load their commands late, and commands with sectioned help and examples.

`main.py` builds the tree; command modules use the decorators `own_command` and `etcd_command`. Nothing here knows any
particular command.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from backstay.cli.commands import Entry, Section
from backstay.cli.invocation import Invocation
from backstay.cli.settings import FALSE_WORDS, TRUE_WORDS
from backstay.cli.statuses import ExitStatuses, etcd_statuses

CommandBody = Callable[..., "int | None"]
"""What a command module defines; the number it returns is the exit status, None is success."""

CONTEXT_SETTINGS: Mapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
DEFAULT_SECTION = "Options"


if TYPE_CHECKING:
    BooleanType = click.ParamType[bool]
    TextType = click.ParamType[str]
else:  # Older releases of click that we promise to work with have no type parameter here.
    BooleanType = TextType = click.ParamType


class Option(click.Option):
    """An option that is listed under its own heading of the help."""

    def __init__(self, *args: Any, section: str = DEFAULT_SECTION, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


class GoBoolean(BooleanType):
    """What Go's flags take for a boolean."""

    name = "bool"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        value = value.removeprefix("=")  # Go's flags take `-q=false`, of which click leaves the sign
        if value in TRUE_WORDS:
            return True
        if value in FALSE_WORDS:
            return False
        self.fail(f"{value!r} is neither true nor false", param, ctx)


class SwitchOption(Option):
    """A boolean flag as Go's tools have it: `--flag`, `--flag=true` and `--flag=false`, never `--flag true`."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, type=GoBoolean(), metavar="", **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        return (record[0].strip(), record[1]) if record is not None else None


def spell_out_switches(parameters: Sequence[click.Parameter], arguments: Sequence[str]) -> list[str]:
    """`arguments` with every bare switch given the value that click's parser wants to see."""
    switches = {name for parameter in parameters if isinstance(parameter, SwitchOption) for name in parameter.opts}
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given = {name: f"{name}=true" if name.startswith("--") else f"{name}true" for name in switches}
    return [given.get(text, text) for text in arguments[:end]] + list(arguments[end:])


def _write_options(parameters: Sequence[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            sections.setdefault(getattr(parameter, "section", DEFAULT_SECTION), []).append(record)
    for title in sorted(sections, key=lambda title: title != DEFAULT_SECTION):
        with formatter.section(title):
            formatter.write_dl(sections[title])


def _write_verbatim(text: str | None, formatter: click.HelpFormatter) -> None:
    if text:
        formatter.write(f"\n{text.rstrip()}\n")


class Command(click.Command):
    """A command of our own: backstay's exit statuses, options by section, examples kept as they are written."""

    statuses: ExitStatuses | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spell_out_switches(self.get_params(ctx), args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_verbatim(self.epilog, formatter)


class EtcdCommand(Command):
    """A command that etcdctl or etcdutl has too, with etcd's exit statuses."""

    def __init__(
        self,
        *args: Any,
        failure: int,
        bad_arguments: int = 128,
        interrupted: int | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.statuses = etcd_statuses(failure=failure, bad_arguments=bad_arguments, interrupted=interrupted)


EtcdCommandType = TypeVar("EtcdCommandType", bound=EtcdCommand)


def own_command(*, examples: str, cls: type[Command] = Command) -> Callable[[CommandBody], Command]:
    """Make a function a command of our own. `examples` are lines `backstay ...`, shown verbatim."""
    return click.command(cls=cls, epilog=_examples(examples), context_settings=dict(CONTEXT_SETTINGS))


def etcd_command(
    *, examples: str, failure: int, bad_arguments: int = 128, interrupted: int | None = None
) -> Callable[[CommandBody], EtcdCommand]:
    """Make a function a command with etcd's exit statuses; see `statuses.py`."""
    return etcd_command_of(
        EtcdCommand, examples=examples, failure=failure, bad_arguments=bad_arguments, interrupted=interrupted
    )


def etcd_command_of(
    cls: type[EtcdCommandType], *, examples: str, failure: int, bad_arguments: int = 128, interrupted: int | None = None
) -> Callable[[CommandBody], EtcdCommandType]:
    """As `etcd_command`, for a kind of command of its own."""
    return click.command(
        cls=cls,
        epilog=_examples(examples),
        context_settings=dict(CONTEXT_SETTINGS),
        failure=failure,
        bad_arguments=bad_arguments,
        interrupted=interrupted,
    )


def _examples(text: str) -> str:
    return "Examples:\n" + "\n".join(f"  {line}".rstrip() for line in inspect.cleandoc(text).splitlines())


def examples_of(command: click.Command) -> list[str]:
    """The example lines of a command, for the tests and the documentation."""
    lines = (command.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  ") and not line.lstrip().startswith("#")]


class LazyGroup(click.Group):
    """A group whose commands come from a table of entries and are imported when they are needed."""

    def __init__(
        self, entries: Sequence[Entry], summaries: Mapping[str, str], path: str = "", **attributes: Any
    ) -> None:
        super().__init__(
            invoke_without_command=True,
            callback=_help_when_alone,
            context_settings=dict(CONTEXT_SETTINGS),
            subcommand_metavar="COMMAND [ARGS]...",
            **attributes,
        )
        self.entries = entries
        self.summaries = summaries
        self.path = path

    def below(self) -> dict[str, Entry]:
        """The commands in this group and its subgroups, by what is typed after this group's name."""
        prefix = f"{self.path} " if self.path else ""
        return {entry.path.removeprefix(prefix): entry for entry in self.entries if entry.path.startswith(prefix)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys(path.split()[0] for path in self.below()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        below = self.below()
        if cmd_name in below:
            return load(below[cmd_name])
        if cmd_name in self.list_commands(ctx):
            path = f"{self.path} {cmd_name}".lstrip()
            summary = self.summaries[path]
            # Options that etcdctl takes anywhere are taken by every group, and shown by none.
            parameters = [parameter for parameter in self.params if getattr(parameter, "hidden", False)]
            return type(self)(self.entries, self.summaries, path, name=cmd_name, help=f"{summary}.", params=parameters)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            if ctx.resilient_parsing:
                return None, None, args[1:]
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        if (invocation := ctx.find_object(Invocation)) is not None:
            invocation.command = command
        return name, command, args[1:]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spell_out_switches(self.get_params(ctx), args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        below = self.below()
        width = max((len(path) for path in below), default=0)
        sections = {entry.section for entry in below.values()}
        for section in Section:
            rows = [(path.ljust(width), entry.summary) for path, entry in below.items() if entry.section is section]
            if rows:
                with formatter.section(section.value if len(sections) > 1 else "Commands"):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_verbatim(self.epilog, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # From the table: a TAB must not import every command.
        helps = {path.split()[-1]: text for path, text in self.summaries.items()}
        helps.update({path: entry.summary for path, entry in self.below().items()})
        items = [
            CompletionItem(name, help=helps.get(name))
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)


def load(entry: Entry) -> click.Command:
    """Import the module of `entry` and return its command, under the name and with the summary of the table."""
    module, _, attribute = entry.module.partition(":")
    command = getattr(importlib.import_module(module), attribute or "command")
    if not isinstance(command, click.Command):
        raise TypeError(f"{entry.module} is not a click command")
    command.name = entry.path.split()[-1]
    command.short_help = entry.summary
    return command


@click.pass_context
def _help_when_alone(ctx: click.Context, /, **_values: Any) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
