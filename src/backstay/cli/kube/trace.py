"""`backstay kube trace`: one object's life in etcd, with everything that comes of it, revision by revision.

The story that courses tell of a Deployment - ReplicaSet, Pods, scheduler, kubelet - as it really happens, or happened.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.colours import wants_colours
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Duration, Format, output_options, reporting_options
from backstay.cli.reporting import Reporting
from backstay.errors import ExitStatus

if TYPE_CHECKING:
    from backstay.cli.render.plain import Plain
    from backstay.kube.tracing import Step

_COLOURS = {"created": "green", "deleted": "red", "changed": "yellow", "found": "cyan"}


@own_command(
    examples="""
    backstay kube trace live deployment web -n shop
    backstay kube trace live pod web-5f7d -n shop --for 2m --until ready
    backstay kube trace backup.db deployment web -n shop
    backstay kube trace live job nightly --until ready -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--namespace", "-n", default="default", show_default=True, help="Where the object is.")
@click.option("--for", "duration", type=Duration(), metavar="DURATION", help="Of `live`: end after this time.")
@click.option(
    "--until",
    type=click.Choice(["ready", "deleted"]),
    help="End when the object is ready, or gone; 3 if that never came.",
)
@click.argument("source")
@click.argument("kind", metavar="KIND")
@click.argument("name", metavar="NAME")
def command(
    *,
    source: str,
    kind: str,
    name: str,
    namespace: str,
    duration: str | None,
    until: str | None,
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> int | None:
    """Follow an object, what it owns, and the Events about them: every revision, who wrote it, and what changed.

    With `live` it goes on until --for or --until ends it, or Ctrl-C; the object need not be there yet. Other sources tell
    what they have stored, from the last compaction on.
    """
    from backstay.cli.settings import duration_seconds
    from backstay.kube.tracing import Story, is_ready
    from backstay.kube.values import Identity
    from backstay.sources.live import LiveSource
    from backstay.sources.objects.trace import followed, told

    plain: list[Plain] = []
    is_reached = False
    with kube.open(source, reporting) as objects:
        resource = objects.find(kind)
        place = namespace if resource.namespaced else ""
        wanted = Identity(resource.group, "", resource.resource, resource.kind, place, name)
        story = Story(wanted)
        if isinstance(objects.source, LiveSource):
            seconds = duration_seconds(duration) if duration else None
            steps = followed(objects.source, objects, story, wanted, seconds=seconds)
            reporting.note(f"watching {wanted} since revision {objects.revision}")
        else:
            steps = told(objects, story, wanted)
        with closing(steps):
            for step in steps:
                if output is Format.TABLE:
                    click.echo(_line(step), color=wants_colours())
                elif output is Format.JSON:
                    _print_json(step)
                else:
                    plain.append(_plain(step))
                is_reached = (until == "ready" and is_ready(story.root)) or (until == "deleted" and story.was_deleted)
                if is_reached:
                    break
    if output is Format.YAML:
        from backstay.cli.render.show import show

        show(plain, output, lambda: "")
    return ExitStatus.WARNINGS if until and not is_reached else None


def _line(step: Step) -> str:
    from backstay.cli.render.object_changes import painted
    from backstay.cli.render.tables import printable

    name = f"{step.identity.kind or step.identity.resource} {step.identity.name}"
    by = ", ".join(dict.fromkeys(str(each) for each in step.authors))
    what = painted(step.event, _COLOURS[step.event], wants_colours())
    details = f": {printable('; '.join(step.details))}" if step.details else ""
    return f"{step.revision:>8}  {printable(step.time or '-'):<20}  {printable(name)} {what}{details}" + (
        f"  [{printable(by)}]" if by else ""
    )


def _print_json(step: Step) -> None:
    from backstay.cli.render.json_output import json_text

    click.echo(json_text(_plain(step), pretty=False))


def _plain(step: Step) -> dict[str, Plain]:
    return {
        "revision": step.revision,
        "time": step.time,
        "kind": step.identity.kind,
        "namespace": step.identity.namespace,
        "name": step.identity.name,
        "event": step.event,
        "details": list(step.details),
        "by": [each.manager for each in step.authors],
    }
