"""From the arguments to the exit status: builds the command tree, runs it, and catches everything.

`__main__.main` calls `run`; tests call it too. This is one of the four places where every exception is caught. No
command module may be imported here, so that `backstay --help` stays fast.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

import backstay
from backstay.cli import commands, failure, groups, options, statuses
from backstay.cli.invocation import Invocation

NAME = "backstay"
COMPLETION_VARIABLE = "_BACKSTAY_COMPLETE"

HELP = """\
Keeps etcd standing: verified snapshots of any etcd, and restores that are proven before you need them.

The options of etcdctl (--endpoints, --cacert, --cert, --key, --user, -w ...) may stand before or after a command.
"""
EPILOG = """\
`backstay COMMAND --help` shows the options and examples of a command.
`backstay explain CODE` explains an error or a finding.
"""


def build_root(
    entries: Sequence[commands.Entry] = commands.TABLE, summaries: Mapping[str, str] = commands.GROUPS
) -> groups.LazyGroup:
    """The command tree over a table of commands."""
    version = click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_print_version,
        help="Show the version and exit.",
    )
    return groups.LazyGroup(
        entries, summaries, name=NAME, help=HELP, epilog=EPILOG, params=[version, *options.shared_parameters()]
    )


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    root: groups.LazyGroup | None = None,
) -> int:
    """Run one command line and return its exit status; nothing is raised."""
    environment = os.environ if environment is None else environment
    root = build_root() if root is None else root
    invocation = Invocation(environment)
    try:
        if COMPLETION_VARIABLE in environment:
            return _complete(root, environment[COMPLETION_VARIABLE])
        status = _invoke(root, list(arguments), invocation)
        # Here, because what a flush at the exit of the interpreter meets can no longer change the exit status.
        sys.stdout.flush()
        return status
    except click.exceptions.Exit as left:
        return left.exit_code
    except BrokenPipeError:
        _forget_standard_output()
        return statuses.BROKEN_PIPE
    except (Exception, KeyboardInterrupt) as caught:
        return _report(caught, arguments, invocation)


def _invoke(root: groups.LazyGroup, arguments: list[str], invocation: Invocation) -> int:
    with root.make_context(NAME, arguments, obj=invocation) as ctx:
        result = root.invoke(ctx)
    return result if isinstance(result, int) else 0


def _report(caught: BaseException, arguments: Sequence[str], invocation: Invocation) -> int:
    status = failure.exit_status(caught, invocation.command)
    text = failure.render(
        caught,
        status=status,
        as_json=failure.wants_json(caught, arguments, invocation.environment),
        with_traceback="--debug" in arguments or bool(invocation.environment.get("BACKSTAY_DEBUG")),
    )
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _forget_standard_output()  # What could not be written is lost either way; the error matters more.
    with contextlib.suppress(OSError):  # Nobody listens on stderr; the exit status still tells.
        click.echo(text, err=True)
    return status


def _complete(root: groups.LazyGroup, instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(root, {"obj": Invocation()}, NAME, COMPLETION_VARIABLE, instruction)


def _forget_standard_output() -> None:
    """Let the interpreter's last flush go nowhere instead of complaining."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # Not a real file, as in tests.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"{NAME} {backstay.__version__}")
        ctx.exit()
