"""Reading the fields of a document strictly: every field has its type and its bounds, and none is left over.

A field nobody knows would be a promise nobody keeps, so it is refused like a wrong one; new fields come with a new format
number or a feature name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from backstay import errors
from backstay.crypto.sealing import damaged

FORMAT = 1
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Fields:
    """The fields of one JSON object; take each, then `finish`."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self.where = where

    def has(self, name: str) -> bool:
        """Whether there is a field of this name: for those that came later than their document."""
        return name in self._values

    def take(self, name: str) -> Any:
        """The value of `name`, whatever it is."""
        if name not in self._values:
            raise damaged(self.where, f"it has no field `{name}`")
        return self._values.pop(name)

    def text(self, name: str, pattern: str = "", *, longest: int = 1000) -> str:
        """A text, wholly matched by the regular expression `pattern` where one is given."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > longest or (pattern and not re.fullmatch(pattern, value)):
            raise self._wrong(name)
        return value

    def number(self, name: str, lowest: int = 0, highest: int = (1 << 63) - 1) -> int:
        """A whole number within bounds."""
        value = self.take(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise self._wrong(name)
        return value

    def flag(self, name: str) -> bool:
        """A boolean."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise self._wrong(name)
        return value

    def time(self, name: str) -> datetime:
        """A time, as `time_text` writes it."""
        try:
            return datetime.strptime(self.text(name), _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise self._wrong(name) from None

    def object(self, name: str) -> Fields:
        """An object."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return Fields(value, self.where)

    def optional_object(self, name: str) -> Fields | None:
        """An object or null."""
        if self._values.get(name, self) is None:
            self.take(name)
            return None
        return self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(each, self.where) if isinstance(each, dict) else self._refuse(name) for each in self.list(name)]

    def list(self, name: str) -> list[Any]:
        """A list of whatever."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self._wrong(name)
        return value

    def texts(self, name: str, pattern: str = "", *, longest: int = 1000) -> tuple[str, ...]:
        """A list of texts."""
        values = self.list(name)
        for value in values:
            if not isinstance(value, str) or len(value) > longest or (pattern and not re.fullmatch(pattern, value)):
                raise self._wrong(name)
        return tuple(values)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object whose names are not known beforehand."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self._wrong(name)
        return value

    def finish(self) -> None:
        """Refuse what is left."""
        if self._values:
            raise errors.REPOSITORY_NEWER.error(
                f"cannot read `{self.where}`", where=self.where, why=f"it has a field `{min(self._values)[:60]}`"
            )

    def _refuse(self, name: str) -> Fields:
        raise self._wrong(name)

    def _wrong(self, name: str) -> errors.BackstayError:
        return damaged(self.where, f"its field `{name}` is not what belongs there")


def open_document(values: Mapping[str, Any], kind: str, where: str, repository: str = "") -> Fields:
    """The fields of a document after its kind, format and repository were found right."""
    fields = Fields(values, where)
    if fields.text("document") != kind:
        raise damaged(where, f"it is no {kind} document")
    found = fields.number("format")
    if found != FORMAT:
        raise errors.REPOSITORY_NEWER.error(f"cannot read `{where}`", where=where, why=f"its format is {found}")
    if repository and fields.text("repository") != repository:
        raise errors.SIGNATURE_WRONG.error(f"`{where}` belongs to another repository", where=where)
    return fields


def head_of(kind: str, repository: str) -> dict[str, Any]:
    """The fields every document begins with."""
    return {"document": kind, "format": FORMAT, "repository": repository}


def time_text(time: datetime) -> str:
    """A time as documents have it."""
    return time.astimezone(UTC).strftime(_TIME)
