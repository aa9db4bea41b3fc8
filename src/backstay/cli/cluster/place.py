"""Which cluster the commands below `backstay cluster` mean: its name, and the directory that follows from it."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach
from backstay.cluster.local.plan import DEFAULT_NAME


def place_options(function: CommandBody) -> CommandBody:
    """Add --directory and --name; the body gets `directory` and `name`, both None where they were not given."""
    directory = Option(
        ["--directory"],
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where the cluster is; NAME.cluster unless given.",
    )
    name = Option(["--name"], metavar="NAME", help=f"The name of the cluster; {DEFAULT_NAME} unless given.")
    return attach(function, [directory, name])


def place_of(directory: Path | None, name: str | None) -> Path:
    """The directory that is meant."""
    return directory if directory is not None else Path(f"{name or DEFAULT_NAME}.cluster")
