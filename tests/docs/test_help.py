"""Every command says what it does and shows an example that parses, and has a man page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from backstay.cli.commands import GROUPS, TABLE, Entry
from backstay.cli.ctl import table as ctl
from backstay.cli.groups import Command, LazyGroup, examples_of, load
from backstay.cli.invocation import Invocation
from backstay.cli.main import build_root
from tools import generate_manpages


def _entries() -> Iterator[Entry]:
    """Every command; a tree with a table of its own stands for the commands in it."""
    for entry in TABLE:
        command = load(entry)
        yield from command.entries if isinstance(command, LazyGroup) else (entry,)


ENTRIES = tuple(_entries())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path)
def test_every_command_has_help_and_examples(entry: Entry) -> None:
    command = load(entry)
    assert isinstance(command, Command)
    assert command.help, "give its function a docstring"
    assert not entry.summary.endswith(".")
    assert len(entry.summary) <= 60
    path = entry.path.removeprefix("ctl ")  # the commands about snapshots are reached both ways
    examples = [line for line in examples_of(command) if re.search(f"backstay .*{path}", line)]
    assert examples, f"give it an example `backstay {entry.path} ...`"
    assert max(len(line) for line in examples_of(command)) <= 110
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, f"{option.opts} has no help"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path)
def test_every_example_parses(entry: Entry) -> None:
    for line in examples_of(load(entry)):
        for words in backstay_lines(line):
            parse(build_root(), words)


def backstay_lines(line: str) -> Iterator[list[str]]:
    """The arguments of each call of backstay in a shell line."""
    for call in re.split(r"\||&&|;|<\(|\$\(", line):
        before, found, arguments = call.partition("backstay ")
        if found and not before.strip(" $").replace("sudo", "").strip():
            yield shlex.split(re.split(r"[<>)]", arguments)[0])


def parse(root: LazyGroup, words: list[str]) -> None:
    """Go through the groups as click does, without running the command."""
    command, ctx, rest = root, root.make_context("backstay", list(words), obj=Invocation()), list(words)
    while isinstance(command, click.Group):
        rest = [*ctx._protected_args, *ctx.args]
        name, found, rest = command.resolve_command(ctx, rest)
        assert found is not None
        ctx = found.make_context(name, rest, parent=ctx)
        command = found  # type: ignore[assignment]


def test_every_group_has_a_summary() -> None:
    groups = {" ".join(entry.path.split()[:count]) for entry in ENTRIES for count in range(1, len(entry.path.split()))}
    assert groups <= {*GROUPS, *ctl.GROUPS, ctl.PATH}


def test_every_command_has_a_man_page(tmp_path: Path) -> None:
    assert generate_manpages.main([str(tmp_path)]) == 0
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"backstay.1"} | {f"backstay-{entry.path.replace(' ', '-')}.1" for entry in ENTRIES}
    for path in tmp_path.iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.startswith(".TH ")
        assert ".SH SYNOPSIS" in text
