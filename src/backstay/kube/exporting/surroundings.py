"""What has to be known besides an object to export it: its owners, its service, its volume, and how it will be applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing(*_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The source that is exported, and what is known of the target."""

    exists: Callable[[str, str, str, str], bool] = _nothing
    """Whether the source has an object of this group, kind, namespace and name."""
    has_selector: Callable[[str, str], bool] = _nothing
    """Whether the Service of this namespace and name chooses its endpoints by labels."""
    lives_in_target: Callable[[str, str, str, str, str], bool] = _nothing
    """Whether the object of this group, kind, namespace, name and uid exists where the export will be applied."""
    has_volume: Callable[[str], bool] = _nothing
    """Whether the PersistentVolume of this name exists there, or is exported."""
    keeps_addresses: bool = False
    """Whether cluster addresses and all node ports are kept: for the cluster that they are from."""
    takes_children: bool = False
    """Whether what a controller made is exported too."""
    status_is_data: frozenset[str] = frozenset()
    """Custom resources (`widgets.example.com`) without a status subresource, whose status is part of the object."""
