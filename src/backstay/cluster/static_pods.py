"""Stopping and starting what the kubelet runs: a manifest is moved out of its directory, and back.

The kubelet reads every file below the manifests directory, so manifests wait beside it, never inside. Called by recover.
Moving is a rename within one file system, and doing it twice is the same as once.
"""

from __future__ import annotations

from pathlib import Path

from backstay import errors
from backstay.cluster.control_plane import Component
from backstay.cluster.host import Host
from backstay.cluster.moves import move

_STOP_SECONDS = 30


def take_away(component: Component, aside: Path) -> None:
    """Move the manifest of `component` into `aside`, which exists. Raises `MANIFEST_LOST`."""
    manifest = Path(component.place)
    waiting = aside / manifest.name
    if manifest.exists() and waiting.exists():
        raise errors.MANIFEST_LOST.error(
            f"there are two manifests of {component.name}",
            where=f"{manifest}, {waiting}",
            why="somebody has put a new one in place since this recovery has moved the old one aside",
            next_step="remove one of them, then go on",
        )
    if manifest.exists():
        move(manifest, waiting)
    elif not waiting.exists():
        raise errors.MANIFEST_LOST.error(f"the manifest of {component.name} is gone", where=str(manifest))


def put_back(component: Component, aside: Path) -> None:
    """Move the manifest of `component` back to where it was. Raises `MANIFEST_LOST`."""
    manifest = Path(component.place)
    waiting = aside / manifest.name
    if waiting.exists() and not manifest.exists():
        move(waiting, manifest)
    elif not manifest.exists():
        raise errors.MANIFEST_LOST.error(f"the manifest of {component.name} is gone", where=str(waiting))
    elif waiting.exists():
        raise errors.MANIFEST_LOST.error(
            f"there are two manifests of {component.name}",
            where=f"{manifest}, {waiting}",
            next_step="remove one of them, then go on",
        )


def has_containers(host: Host, component: Component) -> bool:
    """Whether the container runtime still runs `component`."""
    return host.containers is not None and any(each.is_running for each in host.containers.list(component.name))


def stop_containers(host: Host, component: Component) -> None:
    """Stop what the kubelet did not stop in time. Raises `HOST_REFUSED`."""
    if host.containers is not None:
        for container in host.containers.list(component.name):
            if container.is_running:
                host.containers.stop(container, _STOP_SECONDS)
