"""The story of an object, read: from the history that a source has stored, or as it happens in a living etcd.

Stored history is read once, from its oldest revision. A living etcd is asked for its state first, then watched from the next
revision on, so that nothing lies between.
"""

from __future__ import annotations

from collections.abc import Generator

from backstay.kube.tracing import Step, Story
from backstay.kube.values import Identity
from backstay.sources.live import LiveSource
from backstay.sources.objects.cluster import Choice, Objects
from backstay.sources.selection import Selection
from backstay.values import Revision


def told(objects: Objects, story: Story, wanted: Identity) -> Generator[Step]:
    """The steps that the source has stored, in the order of revisions."""
    choice = Choice(namespace=wanted.namespace) if wanted.namespace else Choice()
    for past in objects.past(choice):
        step = story.tell(past.revision, past.key, past.object)
        if step is not None:
            yield step


def followed(
    source: LiveSource, objects: Objects, story: Story, wanted: Identity, *, seconds: float | None = None
) -> Generator[Step]:
    """The steps as they happen, until `seconds` are over. What is there already is known to the story, and is no step."""
    at = source.revision
    _recall(objects.at(at), story, wanted)
    for record in source.follow(Selection(), at, seconds=seconds):
        item = record.item
        identity = objects.layout.identify(item.key)
        if identity is None or (wanted.namespace and identity.namespace not in (wanted.namespace, "")):
            continue
        after = None if record.revision.tombstone else objects.decode(item)
        step = story.tell(Revision(record.revision.main), item.key, after)
        if step is not None:
            yield step


def _recall(objects: Objects, story: Story, wanted: Identity) -> None:
    """Owners may stand behind what they own in the order of keys, so it is looked until nothing more belongs."""
    choice = Choice(namespace=wanted.namespace) if wanted.namespace else Choice()
    while any([story.know(each) for each in objects.objects(choice)]):
        pass
