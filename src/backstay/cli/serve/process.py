"""The serving process: signals, readiness, and the words that etcd would log at each turn of its life.

SIGTERM, SIGINT    drain: running calls finish, streams end, the directory is closed, exit status 0; a second one hurries
SIGHUP             certificates are read again; the old ones stay in use when the new ones are no good
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Protocol

from backstay.cli.serve import notify
from backstay.errors import BackstayError
from backstay.telemetry.log import fields

GRACE_SECONDS = 5.0
"""How long running calls may take when the server is told to end."""

_log = logging.getLogger(__name__)


class Served(Protocol):
    """What is served: opened already, listening from `start` to `stop`."""

    @property
    def traffic(self) -> tuple[tuple[str, str, bool], ...]:
        """What is spoken (`grpc+http`), at which address, and whether over TLS; known after `start`."""
        ...

    async def start(self) -> None:
        """Listen. Raises `LISTENING_FAILED` and `SERVER_CERTIFICATE_UNUSABLE`."""
        ...

    async def wait(self) -> None:
        """Return when it was stopped. Raises why it cannot go on."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """Drain and close."""
        ...

    def reload_certificates(self) -> None:
        """Read certificates again. Raises `SERVER_CERTIFICATE_UNUSABLE`."""
        ...


async def serve(served: Served, environment: Mapping[str, str]) -> None:
    """Serve until a signal comes or the store cannot go on, which is raised."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    signals: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        signals.append(number)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup, and that stays so
        loop.add_signal_handler(signal.SIGHUP, _reload, served, environment)
    try:
        await served.start()
        _announce(served, environment)
        over, ended = asyncio.ensure_future(served.wait()), asyncio.ensure_future(told.wait())
        await asyncio.wait((over, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if over.done():
            _say_failure(over)
        else:
            name = signal.strsignal(signals[0])
            _log.info("received signal; shutting down", extra=fields(signal=(name or signals[0].name).lower()))
        notify.notify(environment, notify.STOPPING)
        told.clear()
        await _stopped(served, told, hurry=over.done())
        await over
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _stopped(served: Served, told: asyncio.Event, *, hurry: bool) -> None:
    """Stop, without grace when it is no use or a second signal comes."""
    _log.info("closing etcd server")
    stopping = asyncio.ensure_future(served.stop(0.0 if hurry else GRACE_SECONDS))
    again = asyncio.ensure_future(told.wait())
    await asyncio.wait((stopping, again), return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    if not stopping.done():
        await served.stop(0.0)
    await stopping
    _log.info("closed etcd server")


def _announce(served: Served, environment: Mapping[str, str]) -> None:
    _log.info("ready to serve client requests")
    for traffic, address, secure in served.traffic:
        if secure:
            _log.info("serving client traffic securely", extra=fields(traffic=traffic, address=address))
        else:
            said = "serving client traffic insecurely; this is strongly discouraged!"
            _log.info(said, extra=fields(traffic=traffic, address=address))
    addresses = ",".join(address for _, address, _ in served.traffic)
    if notify.notify(environment, notify.READY, f"STATUS=serving on {addresses}", f"{notify.ADDRESSES}={addresses}"):
        _log.info("notified init daemon", extra=fields(state="ready"))


def _reload(served: Served, environment: Mapping[str, str]) -> None:
    notify.notify(environment, *notify.reloading())
    try:
        served.reload_certificates()
    except BackstayError as problem:
        _log.error("certificates cannot be reloaded; the old ones stay in use", extra=fields(error=str(problem)))
    else:
        _log.info("certificates reloaded")
    notify.notify(environment, notify.READY)


def _say_failure(over: asyncio.Future[None]) -> None:
    problem = None if over.cancelled() else over.exception()
    if isinstance(problem, BackstayError):
        said = "the store cannot go on; nothing more is acknowledged"
        _log.critical(said, extra=fields(error=str(problem), code=problem.kind.code))
    elif problem is not None:
        _log.critical("the server failed", exc_info=problem)
