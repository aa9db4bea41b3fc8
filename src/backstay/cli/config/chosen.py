"""The option --config, and the file that counts when it is not given."""

from __future__ import annotations

from pathlib import Path

from backstay.cli import invocation
from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach
from backstay.config.search import find


def config_option(function: CommandBody) -> CommandBody:
    """Add --config; the body gets `config`, empty where nothing was said."""
    help = "The configuration; else BACKSTAY_CONFIG, ./backstay.toml, and the usual places."
    return attach(function, [Option(["--config"], default="", metavar="FILE", help=help)])


def chosen_file(named: str) -> Path:
    """The file that counts; raises `CONFIGURATION_NOT_FOUND`."""
    # Relative, so that messages name ./backstay.toml as the user sees it.
    return find(named, invocation.current().environment, Path())
