"""etcd's flags as options of a command, made from the table of `server/settings`: same names, same forms, same headings.

Go's flags may be written with one dash or two, and a switch takes its value only after an equals sign. Flags that change
nothing, or are refused, are taken too (`resolve` says what becomes of them), but only the supported ones stand in the help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from backstay.cli.groups import Command, Option, SwitchOption
from backstay.server.settings import FLAGS, GROUPS, RENAMED, Flag, Kind, Standing
from backstay.server.settings.given import CONFIG_FILE

_METAVARS = {
    Kind.TEXT: "TEXT",
    Kind.NUMBER: "N",
    Kind.SIGNED: "N",
    Kind.DURATION: "DURATION",
    Kind.URLS: "URLS",
    Kind.WORDS: "LIST",
    Kind.GATES: "LIST",
}
_PREFIX = "etcd_"


class ServeCommand(Command):
    """A command with all of etcd's flags; its body gets those that were given in `given_flags`."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        attributes["params"] = [*(attributes.get("params") or ()), *etcd_options()]
        super().__init__(*args, **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_two_dashes(args))


def given_flags(values: Mapping[str, Any]) -> dict[str, str]:
    """The flags that were given, as texts, from what click hands to the body of a command."""
    return {
        name.removeprefix(_PREFIX).replace("_", "-"): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if name.startswith(_PREFIX) and value is not None
    }


def with_two_dashes(arguments: Sequence[str]) -> list[str]:
    """`-name a` as `--name a`, for etcd's flags alone."""

    def rewritten(argument: str) -> str:
        name = argument.removeprefix("-").partition("=")[0]
        known = argument.startswith("-") and (name in FLAGS or name in RENAMED or name == CONFIG_FILE)
        return f"-{argument}" if known else argument

    return [rewritten(each) for each in arguments]


def etcd_options() -> list[click.Parameter]:
    """An option for every flag."""
    options: list[click.Parameter] = [
        Option(
            [f"--{CONFIG_FILE}", f"{_PREFIX}config_file"],
            metavar="FILE",
            section="Member",
            help="etcd's configuration file; flags and variables are ignored then.",
        )
    ]
    options += [_option(flag, group.value) for group, flags in GROUPS.items() for flag in flags]
    options += [_named(former, FLAGS[now], "", hidden=True) for former, now in RENAMED.items()]
    return options


def _option(flag: Flag, section: str) -> click.Parameter:
    return _named(flag.name, flag, section, hidden=flag.standing is not Standing.SUPPORTED)


def _named(name: str, flag: Flag, section: str, *, hidden: bool) -> click.Parameter:
    names = [f"--{name}", _PREFIX + name.replace("-", "_")]
    default = "" if flag.kind is Kind.SWITCH or not flag.default else f" [{flag.default}]"
    attributes: dict[str, Any] = {"section": section, "hidden": hidden, "default": None, "help": flag.meaning + default}
    if flag.kind is Kind.SWITCH:
        if flag.default == "true":
            attributes["help"] = f"{flag.meaning} [true]"
        return SwitchOption(names, **attributes)
    return Option(names, metavar=_METAVARS[flag.kind], **attributes)
