"""Many writers of a real API server at once, and what a program of Kubernetes complained of in its log.

create_all(api, CONFIGMAPS, names, workers=6)
with Load(api, CONFIGMAPS, workers=6) as load:       they write until the end of the block, through every failure
    ...
load.written                                         name -> value of what was acknowledged
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kubernetes_api import KubernetesApi, Refused

RETRY_SECONDS = 0.1
JOIN_SECONDS = 60.0
_ERROR_LINE = re.compile(r"^[EF]\d{4} \S+\s+\d+ ([^\s:\]]+):\d+\] (.*)$", re.MULTILINE)
_CHANGING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+|\d+")


def create_all(api: KubernetesApi, path: str, names: Sequence[str], workers: int) -> None:
    """Create a config map of each name; raises what the first failure raised."""
    failures: list[BaseException] = []

    def work(own: Sequence[str]) -> None:
        try:
            with api.kept_open() as session:
                for name in own:
                    session.create(path, {"metadata": {"name": name}, "data": {"name": name}})
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(names[first::workers],)) for first in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Load:
    """Writers that create config maps, each of its own names, and note what was acknowledged."""

    def __init__(self, api: KubernetesApi, path: str, workers: int) -> None:
        self._api = api
        self._path = path
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(workers)]
        self.written: dict[str, str] = {}

    @property
    def acknowledged(self) -> int:
        """How many writes were answered with success."""
        return len(self.written)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def _work(self, worker: int) -> None:
        number = 0
        while not self._is_over.is_set():
            try:
                with self._api.kept_open() as session:
                    while not self._is_over.is_set():
                        number += 1
                        name, value = f"load-{worker}-{number:06}", str(number)
                        session.create(self._path, {"metadata": {"name": name}, "data": {"value": value}})
                        self.written[name] = value
            except (OSError, http.client.HTTPException, Refused):
                self._is_over.wait(RETRY_SECONDS)


def errors_in(log: Path) -> set[str]:
    """The errors of a log in the form of klog, each once: where it was said, and what, without what changes every time."""
    found = _ERROR_LINE.findall(log.read_text(errors="replace"))
    return {f"{place}: {_CHANGING.sub('#', text)[:120]}" for place, text in found}
