"""The server's log as etcd writes it, so that what reads etcd's log reads this one.

json       {"level":"info","ts":"2026-11-25T00:05:55.401219Z","caller":"serve/process.py:63","msg":"...","name":"a"}
console    2026-11-25T00:05:55.401219Z <tab> info <tab> serve/process.py:63 <tab> ... <tab> {"name": "a"}
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from backstay import errors
from backstay.server.front import HTTP2_LOG
from backstay.server.settings import LogFormat, LogLevel, LogSettings
from backstay.telemetry.log import FIELDS

_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.DPANIC: logging.CRITICAL,
    LogLevel.PANIC: logging.CRITICAL,
    LogLevel.FATAL: logging.CRITICAL,
}
_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_STREAMS = ("default", "stderr", "stdout")


class EtcdFormatter(logging.Formatter):
    """One line for one record, in either of etcd's formats."""

    def __init__(self, layout: LogFormat) -> None:
        super().__init__()
        self._layout = layout

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        level = _NAMES.get(record.levelno, record.levelname.lower())
        caller = f"{'/'.join(PurePath(record.pathname).parts[-2:])}:{record.lineno}"
        given: Mapping[str, Any] = getattr(record, FIELDS, {})
        said = dict(given)
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = str(record.exc_info[1])
            said["stacktrace"] = "".join(traceback.format_exception(*record.exc_info))
        if self._layout is LogFormat.JSON:
            line = {"level": level, "ts": moment, "caller": caller, "msg": record.getMessage(), **said}
            return json.dumps(line, ensure_ascii=False, default=str, separators=(",", ":"))
        tail = f"\t{json.dumps(said, ensure_ascii=False, default=str)}" if said else ""
        return f"{moment}\t{level}\t{caller}\t{record.getMessage()}{tail}"


@contextlib.contextmanager
def http2_debugging(environment: Mapping[str, str]) -> Iterator[None]:
    """Log what HTTP/2 carries in plain lines where GODEBUG asks for it, as every program written in Go does."""
    if "http2debug=2" not in environment.get("GODEBUG", "").split(","):
        yield
        return
    log, handler = logging.getLogger(HTTP2_LOG), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y/%m/%d %H:%M:%S"))
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


@contextlib.contextmanager
def logging_to(settings: LogSettings) -> Iterator[None]:
    """Log everything of this process as `settings` says, until the block ends. Raises `TARGET_UNWRITABLE`."""
    handlers = [_handler(output) for output in settings.outputs]
    root, own = logging.getLogger(), logging.getLogger("backstay")
    level = _LEVELS[settings.level]
    levels = root.level, own.level
    for handler in handlers:
        handler.setFormatter(EtcdFormatter(settings.format))
        root.addHandler(handler)
    own.setLevel(level)
    root.setLevel(max(level, logging.WARNING))  # libraries say little that helps an operator
    try:
        yield
    finally:
        root.setLevel(levels[0])
        own.setLevel(levels[1])
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def _handler(output: str) -> logging.Handler:
    if output in _STREAMS:
        return logging.StreamHandler(sys.stdout if output == "stdout" else sys.stderr)
    try:
        return logging.FileHandler(output, encoding="utf-8")
    except OSError as problem:
        raise errors.TARGET_UNWRITABLE.error(
            f"the log `{output}` cannot be written", where="--log-outputs", why=problem.strerror or str(problem)
        ) from problem
