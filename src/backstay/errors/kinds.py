"""What an error is made of, and the catalogue that every declaration enters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of backstay's own commands; stable API."""

    OK = 0
    ERROR = 1
    USAGE = 2
    WARNINGS = 3
    VERIFICATION_FAILED = 4
    NOT_RESTORABLE = 5
    TAMPERED = 6
    KEY_OR_PERMISSION = 7
    STORAGE = 8
    REFUSED = 9
    NO_REPOSITORY = 10
    LEASE_HELD = 11
    SOURCE_UNREACHABLE = 12
    TRANSIENT = 75
    INTERRUPTED = 130


class Side(Enum):
    """Whose turn it is to act."""

    YOU = "you"
    CLUSTER = "the cluster"
    STORAGE = "the storage"
    BACKSTAY = "backstay"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One declared error. `meaning` and `next_step` are what `backstay explain` prints."""

    code: str
    exit_status: ExitStatus
    side: Side
    meaning: str
    next_step: str
    retryable: bool = False

    def error(self, what: str, *, where: str = "", why: str = "", next_step: str = "") -> BackstayError:
        """An error of this kind; a `next_step` given here is more specific than the catalogue's and replaces it."""
        return BackstayError(self, what, where=where, why=why, next_step=next_step or self.next_step)


class BackstayError(Exception):
    """What went wrong, where, why, and what to do next. `kind` carries code, exit status and whether a retry can help."""

    def __init__(self, kind: ErrorKind, what: str, *, where: str = "", why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.where = where
        self.why = why
        self.next_step = next_step or kind.next_step

    def __str__(self) -> str:
        text = self.what
        if self.where:
            text += f" ({self.where})"
        if self.why:
            text += f": {self.why}"
        return text


_catalogue: dict[str, ErrorKind] = {}


def declare(
    code: str,
    exit_status: ExitStatus,
    side: Side,
    meaning: str,
    next_step: str,
    *,
    retryable: bool = False,
) -> ErrorKind:
    """Enter one error into the catalogue. Raises `ValueError` when its code is taken."""
    kind = ErrorKind(code, exit_status, side, meaning, next_step, retryable)
    if code in _catalogue:
        raise ValueError(f"error code {code!r} is declared twice")
    _catalogue[code] = kind
    return kind


def catalogue() -> dict[str, ErrorKind]:
    """Every declared error by its code, in the order of declaration."""
    return dict(_catalogue)
