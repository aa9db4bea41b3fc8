"""The texts that were given for flags, read one by one; an unreadable one is an error that names its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.settings import words
from backstay.server.settings.flags import Kind
from backstay.server.settings.given import Given
from backstay.server.settings.table import FLAGS
from backstay.server.settings.words import Url

Value = TypeVar("Value")


class Texts:
    """What stands for a flag: the text that was given, else its default. Everything raises `SETTING_INVALID`."""

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given

    def origin(self, name: str) -> str:
        """Where it was given; the flag's name where it was not."""
        return self._given[name].origin if name in self._given else f"--{name}"

    def has(self, name: str) -> bool:
        """Whether it was given."""
        return name in self._given

    def text(self, name: str) -> str:
        """The text itself."""
        return self._given[name].text if name in self._given else FLAGS[name].default

    def switch(self, name: str) -> bool:
        """A boolean."""
        return self._read(name, words.switch)

    def number(self, name: str) -> int:
        """A whole number."""
        return self._read(name, words.signed if FLAGS[name].kind is Kind.SIGNED else words.number)

    def seconds(self, name: str) -> float:
        """A duration."""
        return self._read(name, words.duration)

    def words(self, name: str) -> tuple[str, ...]:
        """Words with commas between them."""
        return words.words(self.text(name))

    def urls(self, name: str) -> tuple[Url, ...]:
        """Addresses."""
        return self._read(name, words.urls) if self.text(name) or self.has(name) else ()

    def path(self, name: str) -> Path | None:
        """The path of a file, None where there is none."""
        return Path(text) if (text := self.text(name)) else None

    def listening(self, name: str) -> tuple[Url, ...]:
        """Addresses to listen on."""
        found = self.urls(name)
        for each in found:
            try:
                words.binding(each)
            except ValueError as problem:
                raise self.invalid(name, str(problem)) from None
        return found

    def invalid(self, name: str, why: str, next_step: str = "") -> BackstayError:
        """The error that what stands for a flag cannot be used."""
        return errors.SETTING_INVALID.error(
            f"`{name}` cannot be used", where=self.origin(name), why=why, next_step=next_step
        )

    def _read(self, name: str, read: Callable[[str], Value]) -> Value:
        try:
            return read(self.text(name))
        except ValueError as problem:
            raise self.invalid(name, str(problem), f"write {FLAGS[name].kind.value}") from None
