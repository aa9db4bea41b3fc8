"""From a location and what is wanted of it to a source over a point."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backstay.blobs import open_store, parse_location
from backstay.blobs.retrying import RetryingStore
from backstay.clock import SystemClock
from backstay.crypto.slots import SlotIdentity
from backstay.repository.catalogue import read_catalogue
from backstay.repository.choosing import LATEST, choose
from backstay.repository.reading import PointReader
from backstay.repository.repository import Repository, open_repository
from backstay.repository.view import PointView
from backstay.sources.repository.source import RepositorySource


def open_location(
    location: str,
    *,
    at: str = LATEST,
    cluster: str = "",
    identities: Sequence[SlotIdentity] = (),
    environment: Mapping[str, str] | None = None,
) -> RepositorySource:
    """The point that `at` means in the repository at `location`, of any cluster unless one is named.

    `environment` holds the credentials of the storage (`blobs.location`). Raises what opening the repository and
    `choose` raise.
    """
    where = parse_location(location)
    store = open_store(where, environment or {})
    try:
        usable = store if where.scheme == "file" else RetryingStore(store, SystemClock(), random.Random())
        return open_point(open_repository(usable, identities), at=at, cluster=cluster, close=store.close)
    except BaseException:
        store.close()
        raise


def open_point(
    repository: Repository, *, at: str = LATEST, cluster: str = "", close: Callable[[], None] | None = None
) -> RepositorySource:
    """The point that `at` means in an open repository. Raises what `choose` and reading raise."""
    points = [each for each in read_catalogue(repository).require_sound().points if cluster in ("", each.cluster)]
    chosen = choose(repository, points, at)
    return RepositorySource(
        PointView(PointReader(repository, chosen.point)),
        chosen.revision,
        location=repository.store.location,
        spill=Path(tempfile.gettempdir()),
        entropy=os.urandom,
        close=close,
    )
