"""Write a man page for every command, from its help: `python tools/generate_manpages.py [DIRECTORY]`.

`make dist` runs it into `build/man`. The pages say what `--help` says and nothing else, so they cannot become stale;
they carry no date, so the same source gives the same bytes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

import backstay
from backstay.cli.main import NAME, build_root

DEFAULT_DIRECTORY = Path("build/man")


def main(arguments: list[str]) -> int:
    """Write all pages and say how many."""
    directory = Path(arguments[0]) if arguments else DEFAULT_DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    names = [write_page(directory, ctx) for ctx in contexts(context(build_root(), NAME))]
    print(f"{len(names)} man pages in {directory}")
    return 0


def contexts(ctx: click.Context) -> Iterator[click.Context]:
    """The context of `ctx`'s command and of every command below it."""
    yield ctx
    if isinstance(ctx.command, click.Group):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            if command is not None:
                yield from contexts(context(command, name, ctx))


def context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    """What click would make of `command` called by `name`, without parsing arguments."""
    return click.Context(command, info_name=name, parent=parent, **command.context_settings)


def page_name(ctx: click.Context) -> str:
    """`backstay-snapshot-save.1` for `backstay snapshot save`."""
    return f"{_dashed(ctx)}.1"


def write_page(directory: Path, ctx: click.Context) -> str:
    """Write the page of one command and return its file name."""
    (directory / page_name(ctx)).write_text(page(ctx), encoding="utf-8")
    return page_name(ctx)


def page(ctx: click.Context) -> str:
    """The page of one command as troff."""
    command, title = ctx.command, _dashed(ctx)
    help_text = inspect.cleandoc(command.help or "")
    summary = command.short_help or help_text.splitlines()[0].rstrip(".")
    pieces = " ".join(command.collect_usage_pieces(ctx))
    lines = [
        f'.TH "{title.upper()}" "1" "" "{NAME} {backstay.__version__}" "{NAME} manual"',
        ".SH NAME", f"{escaped(title)} \\- {escaped(summary)}",
        ".SH SYNOPSIS", f".B {escaped(_path(ctx))}", escaped(pieces),
        ".SH DESCRIPTION", escaped(re.sub(r"\n\n+", "\n.PP\n", help_text)),
    ]  # fmt: skip
    for section, records in sections(ctx).items():
        lines.append(f".SH {escaped(section.upper())}")
        for names, text in records:
            lines += [".TP", f".B {escaped(names)}", escaped(text)]
    if isinstance(command, click.Group):
        lines.append(".SH SEE ALSO")
        lines.append(", ".join(f"\\fB{escaped(title)}\\-{escaped(name)}\\fR(1)" for name in command.list_commands(ctx)))
    elif command.epilog:
        lines += [".SH EXAMPLES", ".nf", escaped(inspect.cleandoc(command.epilog.partition("\n")[2])), ".fi"]
    return "\n".join(lines) + "\n"


def sections(ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
    """The visible options by the heading under which the help lists them."""
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in ctx.command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            found.setdefault(getattr(parameter, "section", "Options"), []).append(record)
    return found


def escaped(text: str) -> str:
    """`text` for troff: dashes that can be copied, no accidental requests, our own `.PP` kept."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?!\.PP$)([.'])", r"\\&\1", text, flags=re.MULTILINE)


def _path(ctx: click.Context) -> str:
    return f"{_path(ctx.parent)} {ctx.info_name}" if ctx.parent is not None else str(ctx.info_name)


def _dashed(ctx: click.Context) -> str:
    return _path(ctx).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
