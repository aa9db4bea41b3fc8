"""The largest values of a store on disk, found without decoding them.

Called by `gather`: over the files of a member that does not serve, or over the newest whole backup of one that does, because asking
a living member for every value would hurt it.
"""

from __future__ import annotations

import heapq
from pathlib import Path

from backstay.doctor.facts import LargeKey
from backstay.errors import BackstayError
from backstay.sources import Selection, key_text
from backstay.sources.opening import open_source

LISTED = 5
WORTH_A_WORD_BYTES = 512 << 10


def find(path: Path) -> tuple[LargeKey, ...]:
    """The largest live values of the store at `path` that are worth a word, largest first; nothing where it cannot be read."""
    try:
        with open_source(str(path)) as source:
            largest = heapq.nlargest(LISTED, source.keys(Selection()), key=lambda entry: entry.size or 0)
    except BackstayError:
        return ()  # what is wrong with the file is for the check of the database to say
    return tuple(
        LargeKey(key_text(each.key), each.size, path)
        for each in largest
        if each.size and each.size >= WORTH_A_WORD_BYTES
    )
