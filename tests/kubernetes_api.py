"""A small client of a real API server, and an informer over it: what a controller does, and no more.

    api = KubernetesApi(plane.ports.api_server, plane.path(PKI) / "ca.crt")
    api.create("/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "prices"}, "data": {...}})
    with Informer(api, "/api/v1/namespaces/shop/configmaps") as informer:
        informer.objects                       name -> resource version, kept up to date by a watch

An answer that is no success raises `Refused` with the status, a watch whose history is compacted as well (410).
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kubelet import ADMINISTRATOR_TOKEN

ANSWER_SECONDS = 20.0
WATCH_SECONDS = 5
"""A watch ends by itself after this time, and whoever wants more begins another from where it ended."""
GONE = 410
BOOKMARK = "BOOKMARK"


class Refused(Exception):
    """The API server answered with another status than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubernetesApi:
    """An administrator's access to the API server on a port of this machine."""

    def __init__(self, port: int, authority: Path) -> None:
        self._port = port
        self._authority = authority
        self._kept: http.client.HTTPSConnection | None = None
        self._trust = ssl.create_default_context(cafile=str(authority))

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in the collection `path`."""
        return self._call("POST", path, body)

    def read(self, path: str) -> dict[str, Any]:
        """An object, or a list of them."""
        return self._call("GET", path)

    def delete(self, path: str) -> None:
        """Delete an object."""
        self._call("DELETE", path)

    def status_of(self, path: str) -> int:
        """The status of a GET; raises what the connection raises."""
        try:
            self._call("GET", path)
        except Refused as refused:
            return refused.status
        return 200

    def watch(self, path: str, resource_version: str) -> Iterator[dict[str, Any]]:
        """The events of the collection after `resource_version`, until the watch ends; raises `Refused`."""
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={resource_version}"
        with closing(self._connection()) as connection:
            connection.request("GET", f"{path}?{query}", headers=self._headers())
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refused(answer.status, answer.read().decode(errors="replace"))
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise Refused(event["object"]["code"], event["object"]["message"])
                yield event

    @contextmanager
    def kept_open(self) -> Iterator[KubernetesApi]:
        """The same access over one connection, for many calls of one thread."""
        session = KubernetesApi(self._port, self._authority)
        with closing(session._connection()) as session._kept:
            yield session

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if self._kept is not None:
            return self._call_over(self._kept, method, path, body)
        with closing(self._connection()) as connection:
            return self._call_over(connection, method, path, body)

    def _call_over(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        connection.request(method, path, json.dumps(body) if body is not None else None, self._headers())
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise Refused(answer.status, text)
        found: dict[str, Any] = json.loads(text)
        return found

    def _connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS, context=self._trust)

    @staticmethod
    def _headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {ADMINISTRATOR_TOKEN}", "Content-Type": "application/json"}


class Informer(threading.Thread):
    """List, watch from the list's version, apply; list again when that version is gone, and try again when nothing answers."""

    def __init__(self, api: KubernetesApi, path: str) -> None:
        super().__init__(name="informer", daemon=True)
        self._api = api
        self._path = path
        self._is_over = threading.Event()
        self.objects: dict[str, str] = {}
        self.lists = 0
        self.was_gone = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self.join(WATCH_SECONDS + ANSWER_SECONDS)

    def run(self) -> None:
        version = ""
        while not self._is_over.is_set():
            try:
                version = self._watch(version or self._list())
            except Refused as refused:
                if refused.status == GONE:
                    self.was_gone += 1
                    version = ""
                self._is_over.wait(0.1)
            except (OSError, http.client.HTTPException, ValueError):
                self._is_over.wait(0.1)

    def _list(self) -> str:
        listed = self._api.read(self._path)
        self.objects = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in listed["items"]}
        self.lists += 1
        version: str = listed["metadata"]["resourceVersion"]
        return version

    def _watch(self, version: str) -> str:
        for event in self._api.watch(self._path, version):
            metadata = event["object"]["metadata"]
            version = metadata["resourceVersion"]
            if event["type"] == "DELETED":
                self.objects.pop(metadata["name"], None)
            elif event["type"] != BOOKMARK:
                self.objects[metadata["name"]] = version
            if self._is_over.is_set():
                break
        return version
