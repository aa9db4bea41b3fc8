"""Progress over objects that are read one after the other: all that a listing or a search can say is how much it has read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.kube.values import KubernetesObject
    from backstay.telemetry.progress import Progress

_STEP = 1 << 20
_BEGINS_AT = 8 << 20
"""What is less is there before anybody could look at a bar, and need not pay for drawing one."""


def watched(every: Iterable[KubernetesObject], reporting: Reporting, phase: str) -> Iterator[KubernetesObject]:
    """`every`, while progress is drawn where somebody waits."""
    progress: Progress | None = None
    done = 0
    try:
        for each in every:
            done += each.size
            if progress is None and done >= _BEGINS_AT:
                progress = reporting.watch()
                progress.begin(phase, None)
            if progress is not None and done >= _STEP:
                progress.advance(done)
                done = 0
            yield each
    finally:
        if progress is not None:
            progress.finish()
