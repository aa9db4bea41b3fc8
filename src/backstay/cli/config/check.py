"""`backstay config check`: every mistake in backstay.toml at once, in the form that editors can jump to."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.config.chosen import chosen_file, config_option
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import printable
from backstay.config.reading import Reading, read_file
from backstay.errors import ExitStatus
from backstay.policy.tiers import BUILT_IN


@own_command(
    examples="""
    backstay config check
    backstay config check deploy/backstay.toml
    backstay config check -o json | jq -r '.mistakes[] | "\\(.line): \\(.suggestion)"'
    """
)
@config_option
@output_options
@click.argument("file", required=False, default="", metavar="[FILE]")
def command(*, file: str, config: str, output: Format) -> int:
    """Read FILE, or the configuration that counts, and name every mistake: file, line, what was expected, what to write.

    Only the file is looked at: no cluster and no storage is asked. Exits with 2 where there are mistakes.
    """
    path = chosen_file(file or config)
    reading = read_file(path)
    show(as_plain(path, reading), output, lambda: as_text(path, reading))
    return ExitStatus.USAGE if reading.mistakes else ExitStatus.OK


def as_plain(path: Path, reading: Reading) -> dict[str, Plain]:
    """A reading as JSON and YAML have it; the names are empty where there are mistakes."""
    found = reading.configuration
    return {
        "file": str(path),
        "clusters": [] if found is None else list(found.clusters),
        "repositories": [] if found is None else list(found.repositories),
        "tiers": [] if found is None else list(found.tiers),
        "mistakes": [
            {
                "line": each.line,
                "key": each.key,
                "problem": each.problem,
                "expected": each.expected,
                "suggestion": each.suggestion,
            }
            for each in reading.mistakes
        ],
    }


def as_text(path: Path, reading: Reading) -> str:
    """A reading for people."""
    found = reading.configuration
    if found is None:
        return "\n".join(printable(each.text(str(path))) for each in reading.mistakes)
    counts = (
        (len(found.clusters), "cluster", "clusters"),
        (len(found.repositories), "repository", "repositories"),
        (len(found.tiers) - len(BUILT_IN), "own tier", "own tiers"),
    )
    said = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts)
    return f"{printable(path)}: no mistakes; {said}"
