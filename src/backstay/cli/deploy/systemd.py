"""`backstay deploy systemd`: the agent of one cluster as a systemd service and timer, and its maintainer."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import click

from backstay.cli.config.chosen import chosen_file, config_option
from backstay.cli.deploy.chosen import absolute, chosen_deployment, deliver, directory_option
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.show import show
from backstay.cli.serve.unit import program_of
from backstay.deploy.systemd import systemd_units


@own_command(
    examples="""
    backstay deploy systemd payments-fra --to units/
    backstay deploy systemd payments-fra --program /usr/bin/backstay --metrics-dir /var/lib/node_exporter
    # on the host that may read backups
    backstay deploy systemd payments-fra --identity /etc/backstay/operator.key --to units/
    """
)
@config_option
@output_options
@click.option("--program", default="", metavar="FILE", help="backstay on that host; this one unless given.")
@click.option(
    "--installed-config", default="", metavar="FILE", help="backstay.toml on that host; this one unless given."
)
@click.option("--state-dir", default="", metavar="DIR", help="What the host remembers between runs.")
@click.option("--metrics-dir", default="", metavar="DIR", help="Where node_exporter reads text files.")
@click.option("--identity", default="", metavar="FILE", help="Also units that verify deeper, merge and sweep with it.")
@directory_option
@click.argument("cluster", required=False, default="", metavar="[CLUSTER]")
def command(
    *,
    cluster: str,
    config: str,
    program: str,
    installed_config: str,
    state_dir: str,
    metrics_dir: str,
    identity: str,
    directory: Path | None,
    output: Format,
) -> None:
    """Print a service and a timer that run what is due for CLUSTER of backstay.toml, for /etc/systemd/system.

    Keys of object stores come from /etc/backstay/NAME.env, which only root can read. Nothing is installed or started.
    """
    deployment = chosen_deployment(config, cluster, state=state_dir, metrics=metrics_dir)
    words = (program,) if program else program_of(sys.argv, sys.executable)
    if program:
        absolute(program, "--program")
    place = absolute(installed_config, "--installed-config") if installed_config else _here(config)
    units = systemd_units(
        deployment, words, configuration=place, identity=absolute(identity, "--identity") if identity else None
    )
    if output is not Format.TABLE:
        show(units, output, str)
        return
    if directory is None:
        units = {name: f"# --- {name}\n{text}" for name, text in units.items()}
    click.echo(deliver(units, directory, "\n\n"))


def _here(config: str) -> PurePosixPath:
    return PurePosixPath(chosen_file(config).absolute())
