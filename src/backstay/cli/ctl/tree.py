"""The tree below `backstay ctl`, and the options that stand anywhere in it.

Apart from the commands, so that help and completion need no gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from backstay.cli.failure import EtcdctlFailure
from backstay.cli.groups import LazyGroup, SwitchOption
from backstay.cli.options import OUTPUT, collecting, shared_parameters
from backstay.cli.render.etcdctl import go

if TYPE_CHECKING:
    IntegerType = click.ParamType[int]
else:  # Older releases of click that we promise to work with have no type parameter here.
    IntegerType = click.ParamType

FORMATS = "simple|json|table|fields|protobuf|yaml"


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
