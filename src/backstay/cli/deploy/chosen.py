"""What `deploy cronjob` and `deploy systemd` share: a cluster becomes a `Deployment`, documents become output."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath

import click

from backstay import errors
from backstay.blobs.location import parse_location
from backstay.cli.config.chosen import chosen_file
from backstay.cli.repository.named import named_cluster
from backstay.config.configuration import Cluster
from backstay.config.promise import promise_of
from backstay.config.reading import load
from backstay.deploy.cadence import minutes_between_looks
from backstay.deploy.deployment import Deployment
from backstay.durable import LocalDisk, write_durable

STATE = "/var/lib/backstay"
_LONGEST_RUN = timedelta(hours=4)
_FILE_MODE = 0o644


def chosen_deployment(config: str, cluster: str, *, state: str, metrics: str) -> Deployment:
    """The deployment of `cluster`, or of the only one. Raises `USAGE` and what reading the configuration raises."""
    path = chosen_file(config)
    configuration = load(path)
    if not cluster and len(configuration.clusters) == 1:
        cluster = next(iter(configuration.clusters))
    if not cluster:
        names = ", ".join(configuration.clusters) or "none"
        raise errors.USAGE.error(
            "say which cluster", where=str(path), why=f"it has {names}", next_step="name one of these"
        )
    chosen = named_cluster(configuration, cluster, path)
    promise = promise_of(chosen)
    state = state or str(configuration.state_dir or STATE)
    rpo = chosen.tier.rpo.length
    return Deployment(
        cluster=chosen.name,
        configuration=path.read_text(encoding="utf-8"),
        minutes=minutes_between_looks(promise.interval, rpo),
        # A run that hangs must not stand in the way of the next one for longer than the promise has room.
        longest=min(rpo, _LONGEST_RUN),
        state=absolute(state, "--state-dir"),
        pki=tuple(PurePosixPath(each) for each in (chosen.cacert, chosen.cert, chosen.key) if each is not None),
        places=_places(chosen),
        credentials=_schemes(chosen),
        needs_password=bool(chosen.user),
        companions=chosen.companions,
        metrics=absolute(metrics, "--metrics-dir") if metrics else None,
    )


def absolute(text: str, option: str) -> PurePosixPath:
    """A path of the host. Raises `USAGE` when it is relative."""
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise errors.USAGE.error(
            f"{option} is not an absolute path: {text!r}", next_step="write the path as the host has it"
        )
    return path


def deliver(documents: Mapping[str, str], directory: Path | None, separator: str) -> str:
    """What is printed: the documents, or where each was written. Raises `TARGET_EXISTS` before the first is written."""
    if directory is None:
        return separator.join(text.removesuffix("\n") for text in documents.values())
    for name in documents:
        if (directory / name).exists():
            raise errors.TARGET_EXISTS.error(f"`{directory / name}` exists", where=str(directory / name))
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in documents.items():
        write_durable(LocalDisk(), directory / name, text.encode(), mode=_FILE_MODE)
    return "\n".join(str(directory / name) for name in documents)


def _places(cluster: Cluster) -> tuple[PurePosixPath, ...]:
    places = [parse_location(each.location) for each in cluster.repositories]
    return tuple(PurePosixPath(each.path) for each in places if each.scheme == "file")


def _schemes(cluster: Cluster) -> tuple[str, ...]:
    schemes = [parse_location(each.location).scheme for each in cluster.repositories]
    return tuple(dict.fromkeys(each for each in schemes if each != "file"))


directory_option = click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write one file each into DIR instead of printing.",
)
