"""`backstay kube counts`: how many objects of each kind, by what they are for. No value is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.kube.categories import Category
    from backstay.sources.objects import Objects


class Count(NamedTuple):
    """All objects of one resource."""

    category: Category
    resource: str
    objects: int
    namespaces: int
    value_bytes: int


@own_command(
    examples="""
    backstay kube counts backup.db
    backstay kube counts /mnt/backups --at yesterday --identity operator.key
    backstay kube counts backup.db -n production
    backstay kube counts live -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--namespace", "-n", help="Only objects of this namespace.")
@click.argument("source")
def command(*, source: str, namespace: str | None, kube: KubeSettings, output: Format, reporting: Reporting) -> None:
    """Count the objects in SOURCE by kind, in categories.

    They are workloads, services, configuration, storage, RBAC, cluster, events and custom.
    `other` are keys that no object of Kubernetes has, such as the marks of API servers.
    """
    from backstay.cli.render.tables import columns
    from backstay.kube.categories import Category
    from backstay.values import size_text

    with kube.open(source, reporting) as objects:
        counts = count(objects, namespace)
    totals = [
        (category, [each for each in counts if each.category is category])
        for category in Category
        if any(each.category is category for each in counts)
    ]

    def table() -> str:
        rows: list[tuple[Any, ...]] = []
        for category, members in totals:
            for index, each in enumerate(members):
                title = category.value if index == 0 else ""
                rows.append((title, each.resource, each.objects, each.namespaces or "", size_text(each.value_bytes)))
        rows.append(
            ("total", "", sum(each.objects for each in counts), "", size_text(sum(each.value_bytes for each in counts)))
        )
        return columns(("CATEGORY", "RESOURCE", "OBJECTS", "NAMESPACES", "BYTES"), rows)

    show([_plain(category, members) for category, members in totals], output, table)


def count(objects: Objects, namespace: str | None) -> list[Count]:
    """The objects by resource, sorted by their name."""
    from backstay.kube.categories import category_of
    from backstay.kube.census import directories
    from backstay.kube.values import Identity
    from backstay.sources import Selection

    custom = {each.group_resource for each in objects.resources.custom}
    found: dict[tuple[Category, str], list[Any]] = {}
    for each in directories(objects.source.keys(Selection(), objects.settings.at)):
        identity = objects.layout.identify(each.example)
        if namespace is not None and (identity is None or identity.namespace != namespace):
            continue
        identity = identity or Identity("", "", "", "", "", "")
        category = category_of(identity, is_custom=identity.group_resource in custom)
        sums = found.setdefault((category, identity.group_resource), [0, set(), 0])
        sums[0] += each.keys
        sums[1].add(identity.namespace)
        sums[2] += each.value_bytes
    return sorted(
        (
            Count(category, resource, keys, len(namespaces - {""}), size)
            for (category, resource), (keys, namespaces, size) in found.items()
        ),
        key=lambda each: each.resource,
    )


def _plain(category: Category, members: Sequence[Count]) -> dict[str, Any]:
    return {
        "category": category.value,
        "objects": sum(each.objects for each in members),
        "value_bytes": sum(each.value_bytes for each in members),
        "resources": [
            {
                "resource": each.resource,
                "objects": each.objects,
                "namespaces": each.namespaces,
                "value_bytes": each.value_bytes,
            }
            for each in members
        ],
    }
