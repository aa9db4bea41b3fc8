"""Stopping and starting what systemd runs. Called by recover; doing it twice is the same as once."""

from __future__ import annotations

from backstay import errors
from backstay.cluster.control_plane import Component
from backstay.cluster.host import Host, UnitState
from backstay.cluster.host.port import UnitControl


def stop_unit(host: Host, component: Component) -> None:
    """Stop the unit of `component` and wait. A failed unit is stopped too: systemd may be about to start it again."""
    units = _units(host, component)
    if units.state(component.place) is not UnitState.INACTIVE:
        units.stop(component.place)


def start_unit(host: Host, component: Component) -> None:
    """Start the unit of `component` and wait until systemd is content."""
    units = _units(host, component)
    if units.state(component.place) is not UnitState.ACTIVE:
        units.start(component.place)


def _units(host: Host, component: Component) -> UnitControl:
    if host.units is None:
        raise errors.HOST_REFUSED.error(f"{component} cannot be controlled", why="this host runs no systemd")
    return host.units
