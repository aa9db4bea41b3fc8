"""What was found on a host, as values: one etcd installation, and the outcome of the search.

Made by the modules beside this one; read by the command line, doctor and cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from backstay.errors import BackstayError
from backstay.etcd.connection import Credentials
from backstay.findings import Finding


class InstallationKind(Enum):
    """Who set this etcd up, in the order in which one is preferred."""

    STATIC_POD = "static pod"
    RKE2 = "RKE2"
    K3S = "k3s"
    SYSTEMD = "systemd unit"
    SETTINGS_FILE = "settings file"
    KUBEADM_FILES = "kubeadm files"
    EXTERNAL = "external etcd of the API server"


@dataclass(frozen=True, slots=True)
class Installation:
    """One etcd of this host, or (EXTERNAL) the one that its API server uses.

    `found_in` is the file or directory that gave it away and `manifest` the static pod's file. Paths are those of the
    host, below the root that was searched; `flags` are etcd's own, by name without dashes, with the paths as etcd sees
    them, and `paths` are the files that those flags name, where this process sees them.
    `data_dir` is None when etcd runs elsewhere. `image` and `version` are empty when they cannot be seen.
    `problem` says why this user cannot use it: a file of `credentials` that cannot be read.
    """

    kind: InstallationKind
    name: str
    found_in: Path
    client_urls: tuple[str, ...]
    credentials: Credentials
    data_dir: Path | None = None
    manifest: Path | None = None
    image: str = ""
    version: str = ""
    flags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    paths: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    problem: BackstayError | None = None

    @property
    def endpoint(self) -> str:
        """The address to use from this host; the others in `client_urls` lead to the same member."""
        return self.client_urls[0]

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.found_in})"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a search found. `chosen` is None when nothing was found.

    `reasons` are sentences for people: what was chosen, why, and what else was found. `looked_at` are the places that
    were searched, and `findings` what was there but could not be understood.
    """

    found: tuple[Installation, ...]
    chosen: Installation | None
    reasons: tuple[str, ...]
    looked_at: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
