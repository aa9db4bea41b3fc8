"""Runs the steps of `etcdctl_script` with a program: any release's etcdctl, or `python -m backstay ctl`.

run = Program([str(peer.etcdctl)], flags=("--endpoints=127.0.0.1:2379",))
for step, outcome in replay(STEPS, run, known={"address": ..., "directory": ...}): ...
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.compat.etcdctl_script import Outcome, Step

STEP_SECONDS = 30.0


@dataclass(frozen=True)
class Program:
    """Runs one step after the other. `flags` say how to reach the server and stand before the step's arguments."""

    command: Sequence[str]
    flags: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, step: Step) -> Outcome:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ETCD", "BACKSTAY_"))}
        user = (f"--user={step.user}",) if step.user else ()
        process = subprocess.Popen(
            [*self.command, *self.flags, *user, *step.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**inherited, **self.environment, **dict(step.environment)},
        )
        with process:
            try:
                return _until(process, step) if step.until else _whole(process, step)
            finally:
                process.kill()


def _whole(process: subprocess.Popen[bytes], step: Step) -> Outcome:
    stdout, stderr = process.communicate(_bytes(step.input), timeout=STEP_SECONDS)
    return _outcome(stdout, stderr, process.returncode)


def _until(process: subprocess.Popen[bytes], step: Step) -> Outcome:
    """Interrupt the process when it has written what the step waits for; it keeps its stdin until then."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(_bytes(step.input))
    process.stdin.flush()
    written = {process.stdout: b"", process.stderr: b""}
    deadline = time.monotonic() + STEP_SECONDS
    interrupted = False
    with selectors.DefaultSelector() as selector:
        for stream in written:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(timeout=1.0):
                stream = process.stdout if key.fileobj is process.stdout else process.stderr
                piece = stream.read()
                if not piece:
                    selector.unregister(stream)
                written[stream] += piece or b""
            if not interrupted and _bytes(step.until) in written[process.stdout]:
                interrupted = True
                process.send_signal(signal.SIGINT)
    process.stdin.close()
    process.kill() if process.poll() is None and not interrupted else process.wait(timeout=STEP_SECONDS)
    return _outcome(written[process.stdout], written[process.stderr], process.wait())


def _outcome(stdout: bytes, stderr: bytes, status: int) -> Outcome:
    return Outcome(_text(stdout), _text(stderr), 128 - status if status < 0 else status)


def _text(written: bytes) -> str:
    return written.decode(errors="backslashreplace")


def _bytes(text: str) -> bytes:
    return text.encode()
