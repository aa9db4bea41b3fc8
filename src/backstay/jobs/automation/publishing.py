"""Where metrics go: a file that node_exporter's textfile collector reads, and a Pushgateway. Neither ever fails a run.

The file is replaced in one step: a collector sees the old one or the new one. A push replaces everything of its group, which
is the cluster and the role; where some success is not known just now, what the gateway has of it stays.
"""

from __future__ import annotations

import http.client
import os
import ssl
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from backstay import errors
from backstay.durable import Disk

PUSH_SECONDS = 10.0
_MODE = 0o644
"""The collector is another user."""


def write_textfile(disk: Disk, path: Path, text: str) -> None:
    """Replace the file. Raises `METRICS_UNSENT`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = disk.create(temporary, _MODE)
        try:
            disk.write(descriptor, [text.encode()])
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
        # The one file of ours that is replaced: it is a reading of now and no record.
        os.replace(temporary, path)
        disk.sync_directory(path.parent)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise errors.METRICS_UNSENT.error(
            "the metrics were not written", where=str(path), why=problem.strerror or str(problem)
        ) from problem


def push(address: str, groups: Iterable[tuple[str, str]], text: str, *, replace: bool = True) -> None:
    """Send to a Pushgateway under job `backstay` and `groups`. With `replace` what it had of the group goes.

    Raises `METRICS_UNSENT`. A user and a password may stand in the address; they are never shown.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise errors.METRICS_UNSENT.error("this is no address of a Pushgateway", why=str(problem)) from problem
    if parts.scheme not in ("http", "https") or not host:
        raise errors.METRICS_UNSENT.error(
            "this is no address of a Pushgateway", where=host, why="it is like http://pushgateway:9091"
        )
    path = "".join(
        [
            parts.path.rstrip("/"),
            "/metrics/job/backstay",
            *(f"/{name}/{quote(value, safe='')}" for name, value in groups),
        ]
    )
    headers = {"Content-Type": "text/plain; version=0.0.4"}
    if parts.username:
        said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + b64encode(said.encode()).decode()
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=PUSH_SECONDS, context=ssl.create_default_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=PUSH_SECONDS)
    where = f"{parts.scheme}://{host}{f':{port}' if port else ''}"
    try:
        connection.request("PUT" if replace else "POST", path, text.encode(), headers)
        answer = connection.getresponse()
        said = answer.read(200).decode("utf-8", "replace").strip()
        if not 200 <= answer.status < 300:
            raise errors.METRICS_UNSENT.error(
                "the Pushgateway refused the metrics", where=where, why=f"{answer.status} {said}"
            )
    except (OSError, http.client.HTTPException) as problem:
        raise errors.METRICS_UNSENT.error("the metrics were not pushed", where=where, why=str(problem)) from problem
    finally:
        connection.close()
