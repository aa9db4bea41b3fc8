"""The search itself: every usual place in order, then the choice and the reasons for it.

A place that is there but cannot be understood becomes a finding, and the search goes on. The order is that of
`InstallationKind`; among what was found, an etcd whose data directory is there comes before one whose is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from backstay.etcd.discovery import distributions, static_pod, systemd
from backstay.etcd.discovery.host_files import HostFiles, Presence
from backstay.etcd.discovery.installation import Discovery, Installation, InstallationKind
from backstay.findings import Finding, Severity, declare

INSTALLATION_UNREADABLE = declare(
    "installation-unreadable",
    Severity.WARNING,
    "A file that describes an etcd of this host is there, but cannot be read or understood.",
    "repair the file, run the command with sudo, or name the member with --endpoints, --cacert, --cert and --key",
)

Reader = Callable[[], Installation]


def discover(root: Path = Path("/"), *, files: HostFiles | None = None) -> Discovery:
    """Find the etcd of the host below `root`. Raises nothing: what is in the way is part of the answer."""
    files = files or HostFiles(root)
    found: list[Installation] = []
    findings: list[Finding] = []
    looked_at: list[str] = []
    for place, reader in _places(files):
        looked_at.append(place)
        if reader is None or _is_known(place, found):
            continue
        try:
            found.append(reader())
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else None
            findings.append(INSTALLATION_UNREADABLE.at(str(files.path(place)), why or str(problem)))
    installations = _without_repetitions(found)
    chosen = min(installations, key=_rank, default=None)
    return Discovery(
        tuple(installations), chosen, _reasons(installations, chosen, findings), tuple(looked_at), tuple(findings)
    )


def _places(files: HostFiles) -> Iterator[tuple[str, Reader | None]]:
    """Every place with what reads it, None where nothing is there."""

    def place(path: str, read: Callable[[HostFiles, str], Installation]) -> tuple[str, Reader | None]:
        return path, partial(read, files, path) if files.presence(path) is not Presence.ABSENT else None

    yield place(static_pod.KUBEADM_MANIFEST, partial(static_pod.read_etcd, kind=InstallationKind.STATIC_POD))
    yield place(static_pod.RKE2_MANIFEST, partial(static_pod.read_etcd, kind=InstallationKind.RKE2))
    for layout in distributions.LAYOUTS:
        mark = distributions.mark_of(files, layout)
        reader = partial(distributions.read_layout, files, layout, mark) if mark else None
        yield mark or layout.marks[0], reader
    for unit in systemd.UNITS:
        yield place(unit, systemd.read_unit)
    for settings in systemd.SETTINGS_FILES:
        yield place(settings, systemd.read_settings)
    yield place(static_pod.API_SERVER_MANIFEST, static_pod.read_api_server)


def _is_known(place: str, found: list[Installation]) -> bool:
    """Whether a better place has already told of the etcd that `place` stands for."""
    kinds = {each.kind for each in found}
    if place in systemd.UNITS or place in systemd.SETTINGS_FILES:
        # A unit that is linked or shadowed, and the settings that a unit has read already.
        return not kinds.isdisjoint({InstallationKind.SYSTEMD, InstallationKind.SETTINGS_FILE})
    if place in distributions.KUBEADM.marks:
        return InstallationKind.STATIC_POD in kinds
    if place in distributions.RKE2.marks:
        return InstallationKind.RKE2 in kinds
    return False


def _without_repetitions(found: list[Installation]) -> list[Installation]:
    """The installations in order, without a second one for the same data directory or of the same address."""
    kept: list[Installation] = []
    for each in found:
        is_same_data = each.data_dir is not None and any(each.data_dir == other.data_dir for other in kept)
        is_same_etcd = each.kind is InstallationKind.EXTERNAL and any(
            not set(each.client_urls).isdisjoint(other.client_urls) for other in kept
        )
        if not is_same_data and not is_same_etcd:
            kept.append(each)
    return kept


def _rank(installation: Installation) -> tuple[bool, int]:
    return _lacks_data(installation), list(InstallationKind).index(installation.kind)


def _lacks_data(installation: Installation) -> bool:
    """Whether the data directory is surely not there."""
    if installation.data_dir is None:
        return False
    try:
        installation.data_dir.stat()
    except PermissionError:
        return False
    except OSError:
        return True
    return False


def _reasons(found: list[Installation], chosen: Installation | None, findings: list[Finding]) -> tuple[str, ...]:
    passed_over = [f"`{finding.subject}` was passed over: {finding.evidence}" for finding in findings]
    if chosen is None:
        return ("no etcd was found in the usual places of this host", *passed_over)
    data = f", its data is in {chosen.data_dir}" if chosen.data_dir else ""
    reasons = [f"{chosen} names {chosen.endpoint}{data}"]
    if chosen.credentials.cert:
        reasons.append(f"the client certificate is {chosen.credentials.cert}")
    for other in found:
        if other is not chosen:
            why = "its data directory is not there" if _lacks_data(other) else "its kind ranks lower"
            reasons.append(f"also found and not used: {other} at {other.endpoint}, because {why}")
    return (*reasons, *passed_over)
