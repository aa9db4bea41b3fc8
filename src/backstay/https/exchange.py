"""One request and its answer: bounded in time and size, no redirects, no proxies."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 20


class Answer(NamedTuple):
    """What was said."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """Nobody answered in time, or the answer has no end; its text says why."""


def exchange(
    method: str,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    authority: str = "",
    authority_pem: str = "",
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """Ask `address`. Trusted are the machine's authorities, else those of a file or of a text in PEM. Raises `NoAnswer`."""
    parts = urlsplit(address)
    if parts.hostname is None:
        raise NoAnswer("the address names no host")
    try:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        if parts.scheme == "https":
            trusted = ssl.create_default_context(cafile=authority or None, cadata=authority_pem or None)
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=trusted)
        with contextlib.closing(connection):
            connection.request(method, f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, headers)
            answer = connection.getresponse()
            content = answer.read(LARGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as problem:
        raise NoAnswer(str(problem) or type(problem).__name__) from problem
    except ValueError:
        # `http.client` quotes a header that it does not send, a token among them: neither that nor its text is passed on.
        raise NoAnswer("its address or a header, such as a token with a line break, cannot be sent") from None
    if len(content) > LARGEST_ANSWER:
        raise NoAnswer("the answer has no end")
    return Answer(answer.status, content)
