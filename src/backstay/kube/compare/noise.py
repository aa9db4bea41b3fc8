"""What changes without anybody having wanted it: left out of comparisons on request.

    fields      metadata.resourceVersion, generation, managedFields; status
    objects     events, heartbeats of nodes and leaders, what controllers keep up by themselves

An object that is created or deleted is no noise, unless it is of a kind that comes and goes by itself.
"""

from __future__ import annotations

from typing import Final

from backstay.kube.values import Identity

_METADATA = frozenset({"resourceVersion", "generation", "managedFields", "selfLink"})
_TRANSIENT = frozenset(
    ("events", "leases", "leasecandidates", "masterleases", "peerserverleases", "endpoints", "endpointslices", "ranges")
)
_SYSTEM_GROUPS = frozenset({"", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"})


class Noise:
    """What to leave out. `STANDARD` is what `--ignore-noise` means."""

    def leaves_out(self, path: tuple[str, ...]) -> bool:
        """Whether the field at `path` is left out."""
        if len(path) == 1:
            return path[0] == "status"
        return len(path) == 2 and path[0] == "metadata" and path[1] in _METADATA

    def leaves_out_object(self, identity: Identity) -> bool:
        """Whether objects of this kind are left out altogether."""
        return identity.resource in _TRANSIENT and identity.group in _SYSTEM_GROUPS


STANDARD: Final = Noise()
