"""What differs between two objects, and between two sets of them: as Kubernetes means it, not as text happens to look.

    compare_objects(before, after)                 the fields that differ, with their paths
    compare_stored(pairs, decode)                  what was created, deleted, changed, created again
    Noise                                          what changes by itself, and may be left out on request

Lists whose elements have names are compared by name, quantities by value (`1Gi` is `1024Mi`). Values of Secrets are compared
like others; whoever prints them hides them (`shown`). Nothing here reads a store.
"""

from backstay.kube.compare.fields import MISSING, FieldChange, compare_objects
from backstay.kube.compare.noise import Noise
from backstay.kube.compare.sets import Change, ObjectChange, compare_stored
from backstay.kube.compare.shown import shown

__all__ = [
    "MISSING", "Change", "FieldChange", "Noise", "ObjectChange", "compare_objects", "compare_stored", "shown",
]  # fmt: skip
