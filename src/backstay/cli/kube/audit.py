"""`backstay kube audit`: what is wrong with what a cluster has stored, and what to do about it.

Without --encryption-config it is judged what is plain; with it, also what the configuration promises and the store does not
keep. `--remedy FILE` writes a configuration with a fresh key and prints the steps to it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, dry_run_option, output_options, reporting_options
from backstay.cli.reporting import Reporting
from backstay.errors import ExitStatus


@own_command(
    examples="""
    backstay kube audit live
    backstay kube audit backup.db --encryption-config /etc/kubernetes/encryption.yaml
    backstay kube audit /mnt/backups@latest --target-version 1.38 -o json
    backstay kube audit live --remedy encryption.yaml --provider secretbox
    """
)
@kube_options
@output_options
@reporting_options
@dry_run_option
@click.option(
    "--target-version", default="", metavar="1.38", help="The release that shall read the data; else its own."
)
@click.option("--no-past", is_flag=True, help="Do not look at older revisions.")
@click.option(
    "--remedy", type=click.Path(path_type=Path), metavar="FILE",
    help="Write an EncryptionConfiguration with a fresh key, and print the steps.",
)  # fmt: skip
@click.option(
    "--provider", type=click.Choice(["secretbox", "aesgcm", "aescbc"]), default="secretbox", show_default=True,
    help="What the configuration encrypts with.",
)  # fmt: skip
@click.option(
    "--resource", "resources", multiple=True, metavar="TYPE", default=("secrets",), show_default=True,
    help="What it encrypts; may be repeated.",
)  # fmt: skip
@click.argument("source")
def command(
    *,
    source: str,
    target_version: str,
    no_past: bool,
    remedy: Path | None,
    provider: str,
    resources: tuple[str, ...],
    dry_run: bool,
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> int | None:
    """Audit SOURCE: encryption at rest, stored versions, orphans, foreign keys, forged names, certificates that expire.

    Older revisions are looked at too, as they are in every copy of the file. Ends with status 4 for errors, 3 for
    warnings. With --remedy the source is only asked for its resources, and nothing but the file is written.
    """
    from backstay.cli.render.findings import findings_plain, findings_table
    from backstay.cli.render.outcome import exit_status
    from backstay.cli.render.show import show
    from backstay.kube.audit import Terms
    from backstay.kube.release import Release
    from backstay.sources.objects.audit import audited

    now = datetime.now(UTC)
    with kube.open(source, reporting) as objects:
        if remedy is not None:
            names = [objects.find(each).group_resource if "*" not in each else each for each in resources]
            return _remedy(remedy, names, provider, now, kube, output, dry_run=dry_run)
        target = Release.parse(target_version) if target_version else objects.release
        terms = Terms(now, target, kube.decryption())
        findings = audited(objects, terms, with_past=not no_past, progress=reporting.watch())
        revision, release = objects.revision, objects.release
    show(
        {
            "revision": revision,
            "release": str(release),
            "target": str(target),
            "findings": findings_plain(findings),
        },
        output,
        lambda: findings_table(findings) or f"nothing found at revision {revision}, for Kubernetes {target}",
    )
    return exit_status(findings)


def _remedy(
    file: Path, resources: list[str], provider: str, now: datetime, kube: KubeSettings, output: Format, *, dry_run: bool
) -> int | None:
    import secrets

    from backstay.cli.render.show import show
    from backstay.durable import LocalDisk, write_durable
    from backstay.kube.audit import encryption_remedy

    kube.decryption()  # refuses what is no configuration, before its parts are used
    present = kube.encryption_config.read_text("utf-8") if kube.encryption_config is not None else ""
    made = encryption_remedy(resources, provider, now, secrets.token_bytes, present=present)
    if file.exists():
        raise errors.TARGET_EXISTS.error(f"`{file}` exists", where=str(file), next_step="name a file that is not there")
    if not dry_run:
        write_durable(LocalDisk(), file, made.configuration.encode())
    steps = [f"{number}. {step}" for number, step in enumerate(made.steps, 1)]
    written = f"would be written to {file}" if dry_run else f"is in {file}, with its key: only root may read it"
    show(
        {"file": str(file), "written": not dry_run, "steps": list(made.steps)},
        output,
        lambda: "\n".join([f"The configuration {written}.", "", *steps]),
    )
    return ExitStatus.OK
