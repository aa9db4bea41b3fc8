"""What `backstay restore --plan` prints: what is read and written, how long it takes, what Kubernetes will see, what is missing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from backstay.cli.render.plain import Plain
from backstay.cli.render.tables import Align, columns, pairs, printable
from backstay.cli.repository.rendering import point_plain, point_rows, time_plain
from backstay.jobs.points.outlook import NOT_IN_ETCD, Duration, Outlook, duration, look_ahead
from backstay.kube.encryption import Decryption
from backstay.repository.facts import read_facts
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.reading import PointReader
from backstay.repository.repository import Repository
from backstay.repository.view import PointView
from backstay.sources.objects import Settings, open_objects
from backstay.sources.repository import RepositorySource
from backstay.values import size_text


class RestoreOutlook:
    """Everything about a restore that is known before it."""

    def __init__(
        self, repository: Repository, point: PointReader, revision: int | None, decryption: Decryption | None = None
    ) -> None:
        self.manifest: Manifest = point.manifest
        self.facts: PointFacts = point.facts
        self.revision = point.facts.revision if revision is None else revision
        self.duration: Duration = duration(point.manifest, point.facts, read_facts(repository))
        source = RepositorySource(
            PointView(point),
            revision,
            location=repository.store.location,
            spill=Path(tempfile.gettempdir()),
            entropy=os.urandom,
        )
        with open_objects(source, Settings(decryption=decryption)) as objects:
            self.seen: Outlook = look_ahead(objects)

    def as_data(self, target: str) -> dict[str, Plain]:
        """As JSON and YAML have it; keys are stable."""
        seen = self.seen
        return {
            "point": point_plain(self.manifest, self.facts),
            "revision": self.revision,
            "target": target or None,
            "read_objects": len(self.manifest.runs),
            "read_bytes": self.manifest.stored_bytes,
            "written_bytes": self.facts.file.size,
            "seconds": round(self.duration.seconds, 1),
            "seconds_measured": None if self.duration.measured is None else time_plain(self.duration.measured),
            "kubernetes": {
                "release": seen.release,
                "resources": dict(seen.resources),
                "namespaces": dict(seen.namespaces),
                "other_keys": seen.other_keys,
            },
            "volumes": [
                {
                    "name": each.name,
                    "capacity": each.capacity,
                    "claim": each.claim or None,
                    "storage_class": each.storage_class or None,
                    "reclaim_policy": each.reclaim_policy,
                    "driver": each.driver or None,
                    "handle": each.handle or None,
                    "problem": each.problem or None,
                }
                for each in seen.volumes
            ],
            "not_in_etcd": list(NOT_IN_ETCD),
        }

    def as_text(self, target: str) -> str:
        """For people."""
        seen, took = self.seen, self.duration
        how = (
            f"as its verification took on {time_plain(took.measured)}" if took.measured else "estimated from its bytes"
        )
        rows: list[tuple[str, object]] = [
            *point_rows(self.manifest, self.facts),
            *((("Revision chosen", self.revision),) if self.revision != self.facts.revision else ()),
            ("Would read", f"{len(self.manifest.runs)} objects, {size_text(self.manifest.stored_bytes)}"),
            ("Would write", f"{size_text(self.facts.file.size)}{f' to {target}' if target else ''}"),
            ("Minutes", f"{took.seconds / 60:.1f}, {how}"),
        ]
        parts = [pairs(rows)]
        if seen.resources:
            total = sum(seen.resources.values())
            parts.append(
                f"Kubernetes {seen.release} will see {total} objects in {_namespaces(seen)}:\n"
                + columns(("RESOURCE", "OBJECTS"), list(seen.resources.items()), aligns=(Align.LEFT, Align.RIGHT))
            )
            parts.append(
                columns(("NAMESPACE", "OBJECTS"), list(seen.namespaces.items()), aligns=(Align.LEFT, Align.RIGHT))
            )
        if seen.other_keys:
            parts.append(f"Keys that are not Kubernetes': {seen.other_keys}.")
        if seen.volumes:
            parts.append(
                "Volumes, whose contents are not in etcd:\n"
                + columns(
                    ("VOLUME", "SIZE", "CLAIM", "RECLAIM", "DRIVER", "HANDLE"),
                    [
                        (
                            each.name,
                            each.capacity,
                            each.claim,
                            each.reclaim_policy,
                            each.driver,
                            each.handle or each.problem,
                        )
                        for each in seen.volumes
                    ],
                )
            )
        parts.append("No backup of an etcd holds:\n" + "\n".join(f"  - {printable(each)}" for each in NOT_IN_ETCD))
        return "\n\n".join([*parts, "Nothing was changed."])


def _namespaces(seen: Outlook) -> str:
    return f"{len(seen.namespaces)} namespace{'' if len(seen.namespaces) == 1 else 's'}"
