"""`/health`, `/livez` and `/readyz`, word for word as etcd answers them.

/health    {"health":"true","reason":""}                 503 with why not: an alarm, or a read that failed
/livez     "ok"; with ?verbose a line for every check    checks can be left out (?exclude=) or chosen by path
/readyz    the same with more checks                     a store without space is still ready: it can be read

The reads are real ones, through the inbox and the journal's gate: a store that does not answer is not healthy.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from backstay.server.http.exchange import TEXT, Request, Response, not_found, only, text
from backstay.server.http.statistics import Statistics
from backstay.server.inbox import Inbox
from backstay.server.methods import Op
from backstay.server.transport import SERIALIZABLE, Conn, Reply
from backstay.store.refusals import PERMISSION_DENIED, USER_EMPTY

READ_SECONDS = 7.0
"""etcd's own limit for a request: five seconds and two election timeouts."""
PROBED_KEY = b"health"
HARMLESS = {PERMISSION_DENIED.text, USER_EMPTY.text}
"""Refusals that show a store at work: the probe has no user."""

Checked = Callable[[str, str, bool], None]
"""Hears of every check: of which page, its name, whether it passed."""
NOBODY = Conn(0)
"""No client's connection: nobody is behind it."""

Check = Callable[[], Awaitable[str]]
"""Answers why it fails, empty when it passes."""


class Health:
    """The health of one store."""

    def __init__(self, inbox: Inbox, statistics: Statistics, checked: Checked) -> None:
        self._inbox = inbox
        self._checked = checked
        self._statistics = statistics
        self._live: dict[str, Check] = {"serializable_read": self._read_here}
        self._ready: dict[str, Check] = {
            "data_corruption": self._find_corruption,
            "serializable_read": self._read_here,
            "linearizable_read": self._read,
            "non_learner": self._pass,
        }

    async def health(self, request: Request) -> Response:
        """`/health`."""
        if request.method != "GET":
            return only("GET")
        reason = await self._reason(request)
        said = json.dumps({"health": "false" if reason else "true", "reason": reason}, separators=(",", ":"))
        if reason:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, said + "\n")
        return Response(HTTPStatus.OK, TEXT, said.encode())

    async def live(self, request: Request) -> Response:
        """`/livez` and what is under it."""
        return await self._checks(request, "livez", self._live)

    async def ready(self, request: Request) -> Response:
        """`/readyz` and what is under it."""
        return await self._checks(request, "readyz", self._ready)

    async def _reason(self, request: Request) -> str:
        excluded = set(request.query.get("exclude", ()))
        for alarm in self._statistics.alarms():
            if alarm not in excluded:
                return f"ALARM {alarm}"
        serializable = (request.query.get("serializable") or [""])[0] == "true"
        failure = await (self._read_here() if serializable else self._read())
        return f"RANGE ERROR:{failure}" if failure else ""

    async def _checks(self, request: Request, name: str, checks: dict[str, Check]) -> Response:
        _, _, one = request.path.removeprefix("/").partition("/")
        if request.path != f"/{name}":
            if one not in checks:
                return not_found()
            checks = {one: checks[one]}
        if request.method != "GET":
            return only("GET")
        excluded = set(request.query.get("exclude", ())) if request.path == f"/{name}" else set()
        lines, failed = [], False
        for check, run in checks.items():
            if check in excluded:
                continue
            why = await run()
            self._checked(name, check, not why)
            failed = failed or bool(why)
            lines.append(f"[-]{check} failed: {why}\n" if why else f"[+]{check} ok\n")
        if failed:
            return text(HTTPStatus.SERVICE_UNAVAILABLE, "".join(lines) + "\n")
        shown = "".join(lines) if "verbose" in request.query else ""
        return text(HTTPStatus.OK, f"{shown}ok\n")

    # --- checks ---

    async def _find_corruption(self) -> str:
        return "alarm activated: CORRUPT" if "CORRUPT" in self._statistics.alarms() else ""

    async def _read_here(self) -> str:
        return await self._range(SERIALIZABLE)

    async def _read(self) -> str:
        return await self._range(0)

    async def _pass(self) -> str:
        return ""  # a single member votes

    async def _range(self, bits: int) -> str:
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def deliver(reply: Reply) -> None:
            if not waiting.done():
                waiting.set_result(reply)

        self._inbox.put((Op.RANGE, NOBODY, None, PROBED_KEY, b"", 1, 0, bits), 0, deliver)
        try:
            reply = await asyncio.wait_for(waiting, READ_SECONDS)
        except TimeoutError:
            return "context deadline exceeded"
        if isinstance(reply, tuple) and len(reply) == 2 and reply[1] not in HARMLESS:
            return reply[1]
        return ""
