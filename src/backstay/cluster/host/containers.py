"""The node's container runtime through `crictl`, which every kubeadm, k3s and RKE2 host has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from backstay import errors
from backstay.cluster.host.port import Container

COMMAND_SECONDS = 30.0


class Crictl:
    """Containers by their Kubernetes name."""

    def __init__(self, crictl: Path) -> None:
        self._crictl = str(crictl)

    def list(self, name: str) -> tuple[Container, ...]:
        done = self._run("ps", "--all", "--name", f"^{name}$", "--output", "json")
        if done.returncode != 0:
            return ()
        try:
            found = json.loads(done.stdout).get("containers") or []
            return tuple(
                Container(
                    each["id"],
                    each["metadata"]["name"],
                    (each.get("labels") or {}).get("io.kubernetes.pod.name", ""),
                    each["state"],
                )
                for each in found
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return ()

    def stop(self, container: Container, timeout_seconds: int) -> None:
        done = self._run("stop", "--timeout", str(timeout_seconds), container.id)
        if done.returncode != 0:
            raise errors.HOST_REFUSED.error(
                f"container {container.name} does not stop", where=container.id, why=done.stderr.strip()
            )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._crictl, *arguments]
        try:
            return subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return subprocess.CompletedProcess(command, 1, "", str(problem))
