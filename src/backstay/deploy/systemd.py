"""The agent as a systemd service and its timer; with an identity, the maintainer's as well.

    NAME.service            one run: what is due, and nothing if nothing is
    NAME.timer              how often it is looked
    NAME-maintain.*         deeper verification, merging and sweeping, once an hour, on the host that has the identity

A unit that ends with another status than 0 has failed, and systemd shows it: also 3, a run that reached some places only.
75 has not: another run of the same cluster is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath

from backstay.deploy.cadence import calendar_text
from backstay.deploy.deployment import Deployment, outermost

_HOUR_MINUTES = 60
_STATE_ROOT = PurePosixPath("/var/lib")
"""Below it systemd makes the directory of a service."""

_SERVICE = """\
# Written by `backstay deploy systemd`. Save it below /etc/systemd/system, then
#   systemctl daemon-reload && systemctl enable --now {name}.timer
[Unit]
Description=backstay: {what} of {cluster}
Documentation=man:backstay-run(1)
After=network-online.target
Wants=network-online.target
{requires}
[Service]
Type=oneshot
ExecStart={command}
# Keys of object stores and BACKSTAY_PASSWORD, one VARIABLE=value a line, readable by root alone.
EnvironmentFile=-/etc/backstay/{name}.env
# Another run of this cluster is at work.
SuccessExitStatus=75
TimeoutStartSec={seconds}
UMask=0077
Nice=10
IOSchedulingPriority=7
NoNewPrivileges=true
# etcd's keys may be another user's.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
PrivateTmp=true
PrivateDevices=true
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectControlGroups=true
ProtectClock=true
ProtectHostname=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictSUIDSGID=true
RestrictRealtime=true
LockPersonality=true
SystemCallArchitectures=native
{writable}"""

_TIMER = """\
# Written by `backstay deploy systemd`.
[Unit]
Description=backstay: looks whether {what} of {cluster} is due

[Timer]
OnCalendar={calendar}
AccuracySec=1s
# What was missed while the machine was off is due at once.
Persistent=true

[Install]
WantedBy=timers.target
"""


def systemd_units(
    deployment: Deployment,
    program: Sequence[str],
    *,
    configuration: PurePosixPath,
    identity: PurePosixPath | None = None,
) -> dict[str, str]:
    """File name -> unit. `program` begins with an absolute path; the configuration is read where it is said to be."""
    name = deployment.name
    units = {
        f"{name}.service": _service(deployment, name, "a backup", _words(deployment, program, configuration, None)),
        f"{name}.timer": _timer(deployment, "a backup", deployment.minutes),
    }
    if identity is not None:
        own, what = f"{name}-maintain", "maintenance"
        words = _words(deployment, program, configuration, identity)
        units[f"{own}.service"] = _service(deployment, own, what, words)
        units[f"{own}.timer"] = _timer(deployment, what, _HOUR_MINUTES)
    return units


def _words(
    deployment: Deployment, program: Sequence[str], configuration: PurePosixPath, identity: PurePosixPath | None
) -> list[str]:
    words = [*program, "run", "--once", "--cluster", deployment.cluster, "--config", str(configuration)]
    words += ["--state-dir", str(deployment.state)]
    if identity is not None:
        words += ["--identity", str(identity)]
    if deployment.metrics_file is not None:
        file = deployment.metrics_file
        words += ["--metrics-file", str(file.with_stem(f"{file.stem}-maintain") if identity is not None else file)]
    return words


def _service(deployment: Deployment, name: str, what: str, words: list[str]) -> str:
    others = [*deployment.places, *([deployment.metrics] if deployment.metrics else [])]
    own = ""
    if deployment.state.parts[:3] == _STATE_ROOT.parts and len(deployment.state.parts) > len(_STATE_ROOT.parts):
        own = f"StateDirectory={quoted(str(deployment.state.relative_to(_STATE_ROOT)))}\nStateDirectoryMode=0700\n"
    else:
        others.append(deployment.state)
    # A place that is a mount of its own must be there, or the run would write into the directory below it.
    requires = "".join(f"RequiresMountsFor={quoted(str(path))}\n" for path in deployment.places)
    return _SERVICE.format(
        name=name,
        what=what,
        cluster=deployment.cluster.replace("%", "%%"),
        command=" \\\n    ".join(map(quoted, words)),
        seconds=deployment.longest // timedelta(seconds=1),
        requires=requires,
        writable=own + "".join(f"ReadWritePaths={quoted(str(path))}\n" for path in outermost(others)),
    )


def _timer(deployment: Deployment, what: str, minutes: int) -> str:
    calendar = "hourly" if minutes == _HOUR_MINUTES else calendar_text(minutes)
    return _TIMER.format(what=what, cluster=deployment.cluster.replace("%", "%%"), calendar=calendar)


def quoted(word: str) -> str:
    """`word` as systemd reads it back."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if escaped and not any(each in escaped for each in " \t\n\"'\\;"):
        return escaped
    for mark, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        escaped = escaped.replace(mark, written)
    return f'"{escaped}"'
