"""Write the reference pages that come from the code: `python -m tools.generate_reference [--check]`.

    docs/reference/commands.md   every command with its usage, options and examples, from its help
    docs/reference/ctl.md        the same for the commands below `ctl`, which share their options
    docs/reference/codes.md      every error and finding, from the two catalogues

`--check` writes nothing and fails when a page is stale; a test runs it, so an undocumented command or code fails the build.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from backstay import errors
from backstay.cli import options
from backstay.cli.learn.explain import Explanation, explanations
from backstay.cli.main import NAME, build_root
from tools.generate_manpages import context, contexts, sections

DIRECTORY = Path("docs/reference")
SHARED = (options.CONNECTION, options.OUTPUT)


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them; returns the exit status."""
    stale = [name for name, text in pages().items() if not _is_current(DIRECTORY / name, text)]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{DIRECTORY / name} is stale: run `python -m tools.generate_reference`\n")
        return 1 if stale else 0
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (DIRECTORY / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote {DIRECTORY / name}")
    return 0


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {"commands.md": commands_page(), "ctl.md": ctl_page(), "codes.md": codes_page()}


def commands_page() -> str:
    """All commands, groups before their members."""
    lines = ["# Commands", "", "Made from the help of the commands by `tools/generate_reference.py`."]
    for ctx in contexts(context(build_root(), NAME)):
        if not _is_below_ctl(ctx):
            lines += ["", *command_lines(ctx)]
    return "\n".join(lines) + "\n"


def ctl_page() -> str:
    """etcdctl's commands: what is their own of each, and once what they share."""
    below = [ctx for ctx in contexts(context(build_root(), NAME)) if _is_below_ctl(ctx)]
    shared = sections(next(ctx for ctx in below if ctx.info_name == "get"))
    lines = [
        "# etcdctl's commands",
        "",
        "Made from the help of the commands by `tools/generate_reference.py`. What they share stands at the end;",
        "[the guide](../guide/ctl.md) says what is not as in etcdctl.",
    ]
    for ctx in below:
        if not isinstance(ctx.command, click.Group):
            lines += ["", *command_lines(ctx, without=SHARED)]
    lines += ["", "## What all of them take"]
    for title in SHARED:
        lines += ["", *_options_table(title, shared[title])]
    return "\n".join(lines) + "\n"


def command_lines(ctx: click.Context, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """One command as Markdown; `without` names sections of options that are left out."""
    command = ctx.command
    path = _path(ctx)
    yield f"## {path}"
    yield ""
    yield inspect.cleandoc(command.help or "")
    yield ""
    yield f"    {path} {' '.join(command.collect_usage_pieces(ctx))}".rstrip()
    for title, records in sections(ctx).items():
        if title not in without:
            yield ""
            yield from _options_table(title, records)
    if command.epilog and not isinstance(command, click.Group):
        yield ""
        yield from (f"    {line.strip()}" for line in command.epilog.splitlines()[1:])


def _options_table(title: str, records: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {title} | |"
    yield "| --- | --- |"
    for names, text in records:
        yield f"| `{_cell(names)}` | {_cell(text)} |"


def _is_below_ctl(ctx: click.Context) -> bool:
    return ctx.parent is not None and (ctx.parent.info_name == "ctl" or _is_below_ctl(ctx.parent))


def codes_page() -> str:
    """All codes, errors first."""
    known = explanations()
    catalogue = errors.catalogue()
    rows = [_error_row(each) for each in known if each.code in catalogue]
    found = [f"| `{each.code}` | {each.severity} | {_cell(each.meaning)} | {_cell(each.next)} |" for each in known
             if each.severity is not None]  # fmt: skip
    return "\n".join(
        [
            "# Codes", "", "`backstay explain CODE` says the same. A code keeps its meaning for ever; its words may improve.",
            "", "## Errors", "", "| code | exit | whose turn | retry | meaning | next step |",
            "| --- | --- | --- | --- | --- | --- |", *rows,
            "", "## Findings", "", "| code | severity | meaning | remedy |", "| --- | --- | --- | --- |", *found,
        ]
    ) + "\n"  # fmt: skip


def _error_row(each: Explanation) -> str:
    retry = "yes" if each.retryable else "no"
    return f"| `{each.code}` | {each.exit} | {each.side} | {retry} | {_cell(each.meaning)} | {_cell(each.next)} |"


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _path(ctx: click.Context) -> str:
    return f"{_path(ctx.parent)} {ctx.info_name}" if ctx.parent is not None else str(ctx.info_name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
