"""A point of a repository as a source: read from its runs, at any revision that they hold, without restoring it."""

from __future__ import annotations

from backstay.sources.repository.opening import open_location, open_point
from backstay.sources.repository.source import RepositorySource

__all__ = ["RepositorySource", "open_location", "open_point"]
