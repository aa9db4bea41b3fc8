"""Tags: signed documents that give points a word to be found by, beside the tags that a point was made with.

    tags/5d1c9f3a77e2b014     text, points, time

They are public like the names of runs, never changed, and copied with the points they name. A tag that several points have
means the newest of them, so a tag is moved by giving it to a later point. What cannot be believed is no tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from backstay import errors
from backstay.crypto.signing import SigningKey, read_document, sign_document
from backstay.repository import names
from backstay.repository.commit import put_once
from backstay.repository.fields import Fields, head_of, open_document, time_text
from backstay.repository.manifest import Manifest
from backstay.repository.repository import Entropy, Repository
from backstay.repository.words import read_words

PREFIX = "tags/"
TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9._+-]{0,62}")
"""What a tag may be: never anything that `--at` could take for an id, a time or a revision."""

_NAME = re.compile(r"tags/[0-9a-f]{16}")
_RESERVED = re.compile(r"latest|before-delete|[0-9a-f]{4,16}(-[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A word for some points; `by` is the label of the writer who signed it."""

    text: str
    time: datetime
    points: tuple[str, ...]
    by: str = ""


def require_tag(text: str) -> str:
    """`text`, if it can be a tag. Raises `USAGE`."""
    if not TEXT.fullmatch(text) or _RESERVED.fullmatch(text):
        raise errors.USAGE.error(
            f"`{text}` cannot be a tag",
            why="a tag begins with a letter, has up to 63 letters, digits, `.`, `_`, `+`, `-`, and reads like no id",
        )
    return text


def put_tag(
    repository: Repository,
    points: Sequence[Manifest],
    text: str,
    key: SigningKey,
    *,
    now: datetime,
    entropy: Entropy,
) -> Tag:
    """Give `points` a tag. Raises `USAGE`, and `SIGNING_KEY_INVALID` for a key that the repository does not trust."""
    writer = repository.trust.writer(key.public)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNING_KEY_INVALID.error(
            "the repository does not trust the key of this host", where=repository.store.location, why=key.public
        )
    tag = Tag(require_tag(text), now, tuple(each.id for each in points), writer.label)
    document = head_of("tag", repository.id) | {
        "text": text,
        "time": time_text(now),
        "points": [{"lineage": each.lineage, "sequence": each.sequence} for each in points],
    }
    put_once(repository.store, f"{PREFIX}{entropy(8).hex()}", sign_document(document, key))
    return tag


def read_tags(repository: Repository) -> tuple[Tag, ...]:
    """All tags that can be believed, oldest first."""
    return tuple(tag for _, tag in read_named_tags(repository))


def read_named_tags(repository: Repository) -> tuple[tuple[str, Tag], ...]:
    """The same, each with the name of its object."""
    found = read_words(repository, PREFIX, _NAME, partial(_decode, repository))
    return tuple(sorted(found, key=lambda each: each[1].time))


def tags_by_point(tags: Sequence[Tag]) -> Mapping[str, tuple[str, ...]]:
    """Of each point the words that were given to it, in the order in which they were given."""
    found: dict[str, dict[str, None]] = {}
    for tag in tags:
        for point in tag.points:
            found.setdefault(point, {})[tag.text] = None
    return {point: tuple(words) for point, words in found.items()}


def _decode(repository: Repository, name: str, data: bytes) -> Tag:
    document = read_document(data, name)
    writer = repository.trust.writer(document.key)
    if writer is None or writer.revoked is not None:
        raise errors.SIGNATURE_WRONG.error(f"`{name}` is signed by a key that may not write here", where=name)
    fields = open_document(document.fields, "tag", name, repository.id)
    tag = Tag(
        fields.text("text", TEXT.pattern),
        fields.time("time"),
        tuple(_point(each) for each in fields.objects("points")),
        writer.label,
    )
    fields.finish()
    return tag


def _point(fields: Fields) -> str:
    point = f"{fields.text('lineage', names.LINEAGE)}-{fields.number('sequence', 1)}"
    fields.finish()
    return point
