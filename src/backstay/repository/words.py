"""Signed words about points: facts, tags, proofs. Each is a small object of its own; one that cannot be believed says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from backstay import errors
from backstay.repository.repository import Repository

Word = TypeVar("Word")

_WORTHLESS = (errors.OBJECT_DAMAGED, errors.OBJECT_MISSING, errors.SIGNATURE_WRONG, errors.REPOSITORY_NEWER)


def read_words(
    repository: Repository, prefix: str, name: re.Pattern[str], decode: Callable[[str, bytes], Word]
) -> list[tuple[str, Word]]:
    """What `decode` makes of every object below `prefix` whose whole name fits, in the order of names, with the names.

    What is damaged, foreign, or gone by now is left out; the storage's own errors are raised.
    """
    listed = [blob.name for blob in repository.store.list(prefix) if name.fullmatch(blob.name)]
    found = []
    for each, content in zip(listed, repository.fetch_all(listed), strict=True):
        try:
            found.append((each, decode(each, content())))
        except errors.BackstayError as problem:
            if problem.kind not in _WORTHLESS:
                raise
    return found
