"""Retention as runs apply it: an agent marks what may go, a maintainer merges links and sweeps what was marked long enough ago.

The guards stay: what looks like a mistake is not done, and is a finding until a person has looked at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backstay.crypto.signing import SigningKey
from backstay.findings import Finding
from backstay.policy.retention.policy import Policy
from backstay.repository.catalogue import Catalogue
from backstay.repository.facts import Fact
from backstay.repository.repository import Entropy, Repository
from backstay.telemetry import Progress


@dataclass(frozen=True, slots=True)
class Done:
    """How much was done, and what stood in the way."""

    count: int = 0
    freed_bytes: int = 0
    findings: tuple[Finding, ...] = ()


def mark(
    repository: Repository,
    catalogue: Catalogue,
    facts: Sequence[Fact],
    policy: Policy,
    key: SigningKey,
    *,
    cluster: str,
    now: datetime,
    entropy: Entropy,
) -> Done:
    """Mark the points that `policy` no longer keeps."""
    return Done()


def merge(
    repository: Repository,
    policy: Policy,
    key: SigningKey,
    *,
    cluster: str,
    now: datetime,
    entropy: Entropy,
    spill: Path,
    progress: Progress,
) -> Done:
    """Replace links between kept points by merged runs."""
    return Done()


def sweep(repository: Repository, key: SigningKey, *, now: datetime, entropy: Entropy) -> Done:
    """Delete what was marked long enough ago."""
    return Done()
