"""systemd as the service manager of a host, through `systemctl`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from backstay import errors
from backstay.cluster.host.port import UnitState

COMMAND_SECONDS = 90.0

_STATES = {
    "active": UnitState.ACTIVE,
    "reloading": UnitState.ACTIVE,
    "inactive": UnitState.INACTIVE,
    "failed": UnitState.FAILED,
    "activating": UnitState.CHANGING,
    "deactivating": UnitState.CHANGING,
}


class Systemd:
    """The units of this machine."""

    def __init__(self, systemctl: Path) -> None:
        self._systemctl = str(systemctl)

    def state(self, unit: str) -> UnitState:
        done = self._run("show", "--property=LoadState,ActiveState", unit)
        properties = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        if done.returncode != 0 or properties.get("LoadState") in (None, "not-found", "masked"):
            return UnitState.ABSENT
        return _STATES.get(properties.get("ActiveState", ""), UnitState.ABSENT)

    def stop(self, unit: str) -> None:
        self._act("stop", unit)

    def start(self, unit: str) -> None:
        self._act("start", unit)

    def _act(self, verb: str, unit: str) -> None:
        done = self._run(verb, unit)
        if done.returncode != 0:
            raise errors.HOST_REFUSED.error(f"`systemctl {verb} {unit}` failed", where=unit, why=done.stderr.strip())

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._systemctl, "--no-pager", "--no-ask-password", *arguments]
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return subprocess.CompletedProcess(command, 1, "", str(problem))
