"""What is to be deployed: one cluster's agent, with every path of the host that it reads or writes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 30
"""A CronJob's name may have 52 characters; its Secret and ConfigMap add to it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The agent of one cluster. All paths are absolute and mean the host's.

    `pki` are files that are read to reach etcd, `places` the directories that copies go to, `credentials` the schemes of those
    copies that need some (`s3`, `az`, `gs`, `sftp`), `companions` layouts and paths of files that are stored with each point.
    `longest` is how long a run may take before it is ended.
    """

    cluster: str
    configuration: str
    minutes: int
    longest: timedelta
    state: PurePosixPath
    pki: tuple[PurePosixPath, ...] = ()
    places: tuple[PurePosixPath, ...] = ()
    credentials: tuple[str, ...] = ()
    needs_password: bool = False
    companions: tuple[str, ...] = ()
    metrics: PurePosixPath | None = None

    @property
    def name(self) -> str:
        """What its objects and units are called; clusters of different names never share one."""
        plain = _NOT_IN_A_NAME.sub("-", self.cluster.lower())[:_LONGEST_NAME].strip("-")
        if plain != self.cluster:
            plain += f"-{hashlib.sha256(self.cluster.encode()).hexdigest()[:6]}"
        return f"backstay-{plain}"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that its copies and its etcd need."""
        found = [name for scheme in self.credentials for name in _VARIABLES.get(scheme, ())]
        return (*found, *(["BACKSTAY_PASSWORD"] if self.needs_password else []))

    @property
    def metrics_file(self) -> PurePosixPath | None:
        """Where node_exporter finds what the runs have to say."""
        return None if self.metrics is None else self.metrics / f"{self.name}.prom"


_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "az": ("AZURE_STORAGE_KEY",),
    "gs": ("CLOUDSDK_AUTH_ACCESS_TOKEN",),
    "sftp": ("BACKSTAY_SFTP_PASSWORD",),
}
"""What most people use; docs/guide/storages.md has the others."""


def outermost(paths: Iterable[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Each once, in order, without those inside another one."""
    unique = sorted(set(paths))
    return tuple(path for path in unique if not any(other in path.parents for other in unique))
