"""`backstay kube export`: objects of a backup as YAML that `kubectl apply` takes, in the order in which they depend on each other.

backup.db -> 10-namespaces/... 20-definitions/... 85-controllers/01-deployments.apps/shop/web.yaml
          -> one stream of documents (-o -)
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import dry_run_option, reporting_options
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.kube.values import JsonObject
    from backstay.sources.objects import Objects
    from backstay.sources.objects.export import Export, Ready

_STREAM = "-"
_ANNOTATION_BYTES = 256 << 10
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 220
"""File systems take names of 255 bytes, and Kubernetes' own may have 253."""


@own_command(
    examples="""
    backstay kube export backup.db -n production -o -
    backstay kube export /mnt/backups@latest -n shop --missing-in live --show-secrets -o - | kubectl apply -f -
    backstay kube export backup.db -o cluster/ && kubectl apply -R -f cluster/
    backstay kube export backup.db deployments configmaps -n shop -o shop/ --dry-run
    """
)
@kube_options
@reporting_options
@dry_run_option
@click.option("--namespace", "-n", help="Only this namespace: the Namespace itself and what is in it.")
@click.option("--missing-in", metavar="SOURCE", help="Only objects that this one has not, by name; mostly `live`.")
@click.option("--show-secrets", is_flag=True, help="Export Secrets too; without it they are left out.")
@click.option("--keep-addresses", is_flag=True, help="Keep cluster addresses and node ports: into the same cluster.")
@click.option("--with-owned", is_flag=True, help="Export what a controller made too, without its owner.")
@click.option("--output", "-o", "output", required=True, metavar="DIR|-", help="A new directory, or `-` for a stream.")
@click.argument("source")
@click.argument("types", metavar="[TYPE]...", nargs=-1)
def command(
    *,
    source: str,
    types: tuple[str, ...],
    namespace: str | None,
    missing_in: str | None,
    show_secrets: bool,
    keep_addresses: bool,
    with_owned: bool,
    output: str,
    dry_run: bool,
    kube: KubeSettings,
    reporting: Reporting,
) -> None:
    """Write the objects of SOURCE as YAML that can be applied, without what a server owns, in the order of need.

    What comes back by itself is left out: children of controllers, events, leases, tokens, what the server makes. How
    many objects were left out, and why, is said on stderr. Definitions of resources have to be established before their
    objects can be applied: apply twice, or the directories one by one.
    """
    from backstay.sources.objects.export import Export

    with _opened(source, missing_in, kube, reporting) as (objects, target):
        export = Export(
            objects,
            resources=[objects.find(each) for each in types],
            namespace=namespace,
            missing_in=target,
            with_secrets=show_secrets,
            keeps_addresses=keep_addresses,
            takes_children=with_owned,
        )
        if dry_run:
            _plan(export)
        elif output == _STREAM:
            advice = _Advice()
            _stream(advice.watched(export))
            if advice.needs_stages:
                reporting.warn("the stream holds definitions and objects of them: apply it twice", code="apply-twice")
            advice.warn_of_large(reporting)
        else:
            advice = _Advice()
            count = _write(advice.watched(export), Path(output))
            where = shlex.quote(output)
            how = f"kubectl apply -R -f {where}"
            if advice.needs_stages:
                how = f'for stage in {where}/*; do kubectl apply -R -f "$stage"; done'
            reporting.note(f"{count} objects written to `{output}`: {how}", count=count)
            advice.warn_of_large(reporting)
    for why, number in export.left.most_common():
        reporting.note(f"left out {number}: {why}", count=number, reason=why.name.lower())


@contextmanager
def _opened(
    source: str, missing_in: str | None, kube: KubeSettings, reporting: Reporting
) -> Iterator[tuple[Objects, Objects | None]]:
    if missing_in is not None:
        with kube.both(source, missing_in, reporting) as both:
            yield both
        return
    with kube.open(source, reporting) as objects:
        yield objects, None


def _plan(export: Export) -> None:
    from backstay.cli.render.tables import printable

    for ready in export:
        click.echo(printable(f"{ready.stage.number} {ready.identity}"))


class _Advice:
    """What the reader has to know to apply what was written, found out while it passes."""

    def __init__(self) -> None:
        self.needs_stages = False
        """Whether there are definitions and objects of them, which cannot be applied at once."""
        self._defined: set[str] = set()
        self._large: list[str] = []

    def watched(self, export: Export) -> Iterator[Ready]:
        """The objects of `export`, looked at."""
        for ready in export:
            if ready.identity.resource == "customresourcedefinitions":
                self._defined.add(ready.identity.name)
            self.needs_stages = self.needs_stages or ready.identity.group_resource in self._defined
            if _is_too_large(ready.json):
                self._large.append(str(ready.identity))
            yield ready

    def warn_of_large(self, reporting: Reporting) -> None:
        """Say which objects a plain apply is refused for."""
        from backstay.cli.render.tables import printable

        if self._large:
            first = printable(", ".join(self._large[:3])) + (" ..." if len(self._large) > 3 else "")
            reporting.warn(
                f"{len(self._large)} too large for the annotation of a plain apply ({first}):"
                " use kubectl apply --server-side",
                code="apply-server-side",
                count=len(self._large),
            )


def _is_too_large(json: JsonObject) -> bool:
    """Whether the copy that `kubectl apply` puts into an annotation makes all annotations larger than a server takes."""
    from backstay.kube.exporting.reading import mapping
    from backstay.kube.printing.json_text import compact_json

    annotations = mapping(json, "metadata", "annotations")
    there = sum(len(str(part).encode("utf-8", "replace")) for each in annotations.items() for part in each)
    return there + len(_LAST_APPLIED) + len(compact_json(json).encode("utf-8", "replace")) + 1 > _ANNOTATION_BYTES


def _stream(export: Iterator[Ready]) -> None:
    from backstay.kube.printing.yaml_text import yaml_of

    for ready in export:
        click.echo(f"---\n{yaml_of(ready.json)}", nl=False)


def _write(export: Iterator[Ready], directory: Path) -> int:
    from backstay.durable import LocalDisk, durable_directory, write_durable
    from backstay.kube.printing.yaml_text import yaml_of

    disk, count = LocalDisk(), 0
    with durable_directory(disk, directory) as temporary:
        for ready in export:
            path = temporary.joinpath(*_path(ready))
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durable(disk, path, yaml_of(ready.json).encode("utf-8", "replace"))
            count += 1
        for parent, _, _ in os.walk(temporary):
            disk.sync_directory(Path(parent))
    return count


def _path(ready: Ready) -> Iterator[str]:
    from backstay.kube.exporting import sort_key

    identity = ready.identity
    yield f"{ready.stage.number}-{ready.stage.name}"
    yield f"{sort_key(identity)[1]:02}-{_file_name(identity.group_resource)}"
    if identity.namespace:
        yield _file_name(identity.namespace)
    yield f"{_file_name(identity.name)}.yaml"


def _file_name(text: str) -> str:
    """A name of Kubernetes as one of a file: nothing that leaves its directory, and short enough to be one."""
    from hashlib import sha256
    from urllib.parse import quote

    name = quote(text, safe=":~+=@,").replace("..", "%2E%2E") or "%"
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{sha256(name.encode()).hexdigest()[:16]}"  # two long names may begin alike
    return name
