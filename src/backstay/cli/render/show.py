"""Print one result in the format that was asked for; what our own commands end with."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from backstay.cli.options import Format
from backstay.cli.render.json_output import json_text


def show(value: object, output: Format, table: Callable[[], str]) -> None:
    """Print `value` as JSON or YAML, or what `table` draws of it."""
    if output is Format.JSON:
        text = json_text(value, pretty=sys.stdout.isatty())
    elif output is Format.YAML:
        from backstay.cli.render.yaml_output import yaml_text

        text = yaml_text(value)
    else:
        text = table()
    if text:
        click.echo(text)
