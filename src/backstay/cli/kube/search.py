"""`backstay kube search`: which objects hold a text, a label, a field or what a JSONPath finds, also in older revisions.

Values of Secrets are taken out before anything is searched: a search must not be a way to guess them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from backstay import errors
from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.kube.watching import watched
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.kube.searching import Match, Search
    from backstay.kube.values import KubernetesObject
    from backstay.sources.objects import Objects

_FOUND_NOTHING = 1


class Hit(NamedTuple):
    """A match and the object in which it is."""

    object: KubernetesObject
    match: Match


@own_command(
    examples="""
    backstay kube search backup.db registry.example.com/web:1.4
    backstay kube search backup.db --label app=web,tier!=cache -n production
    backstay kube search backup.db pods --field spec.nodeName=node-a
    backstay kube search backup.db deploy --jsonpath .spec.template.spec.volumes[*].secret.secretName
    backstay kube search /var/lib/etcd db-password --history -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--namespace", "-n", help="Only objects of this namespace.")
@click.option("--label", default="", metavar="LABELS", help="Objects with these labels: app=web,tier in (a,b),!old.")
@click.option("--field", default="", metavar="FIELDS", help="Objects with these fields: spec.nodeName=node-a.")
@click.option("--jsonpath", default="", metavar="PATH", help="Objects in which this path finds something.")
@click.option("--ignore-case", is_flag=True, help="Capital and small letters are the same.")
@click.option("--history", is_flag=True, help="Search every stored revision, also of what was deleted.")
@click.option("--managed-fields", is_flag=True, help="Search metadata.managedFields too.")
@click.option("--show-secrets", is_flag=True, help="Search and show the values of Secrets too.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Stop after so many matches."
)
@click.argument("source")
@click.argument("words", nargs=-1, metavar="[TYPE,...] [TEXT]")
def command(
    *,
    source: str,
    words: tuple[str, ...],
    namespace: str | None,
    label: str,
    field: str,
    jsonpath: str,
    ignore_case: bool,
    history: bool,
    managed_fields: bool,
    show_secrets: bool,
    limit: int,
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> int | None:
    """Find objects of SOURCE that hold TEXT, or that fit --label, --field or --jsonpath; all that are given must fit.

    With one word it is the TEXT; with two, the first is TYPE. With --label, --field or --jsonpath one word is TYPE. Ends
    with status 1 when nothing was found. Values of Secrets are neither searched nor shown without --show-secrets.
    """
    types, text = _words(words, has_others=bool(label or field or jsonpath))
    searches = _searches(text, label, field, jsonpath, ignore_case=ignore_case)
    with kube.open(source, reporting) as objects:
        every = watched(_objects(objects, types, namespace, history=history), reporting, "search")
        found = _hits(every, searches, show_secrets=show_secrets, managed=managed_fields)
        hits = []
        for hit in found:
            hits.append(hit)
            if len(hits) == limit:
                reporting.warn(f"stopped after {limit} matches", limit=limit)
                break
    show([_plain(each) for each in hits], output, lambda: _table(hits, history=history))
    return None if hits else _FOUND_NOTHING


def _words(words: tuple[str, ...], *, has_others: bool) -> tuple[str, str]:
    if len(words) > 2 or (not words and not has_others):
        raise errors.USAGE.error(
            "say what to search for",
            next_step="give a TEXT, with a TYPE before it if you like, or --label, --field, --jsonpath",
        )
    if len(words) == 2:
        return words[0], words[1]
    if not words:
        return "", ""
    return (words[0], "") if has_others else ("", words[0])


def _searches(text: str, label: str, field: str, jsonpath: str, *, ignore_case: bool) -> list[Search]:
    from backstay.kube import searching

    try:
        return [
            *([searching.for_label(label)] if label else []),
            *([searching.for_field(field)] if field else []),
            *([searching.for_jsonpath(jsonpath)] if jsonpath else []),
            *([searching.for_text(text, ignore_case=ignore_case)] if text else []),
        ]
    except errors.FormatError as problem:
        raise errors.USAGE.error(problem.what, why=problem.why) from problem


def _objects(objects: Objects, types: str, namespace: str | None, *, history: bool) -> Iterator[KubernetesObject]:
    from backstay.sources.objects import Choice

    chosen = [Choice(objects.find(each), namespace) for each in types.split(",") if each]
    for choice in chosen or [Choice(None, namespace)]:
        if history:
            yield from (past.object for past in objects.past(choice) if past.object is not None)
        else:
            yield from objects.objects(choice)


def _hits(
    every: Iterator[KubernetesObject], searches: list[Search], *, show_secrets: bool, managed: bool
) -> Iterator[Hit]:
    from backstay.kube.printing.objects import without_managed_fields
    from backstay.kube.redaction import redact

    for each in every:
        given = each if show_secrets else redact(each)
        if given.json is None:
            continue
        item = given.json if managed else without_managed_fields(given.json)
        answers = [list(search(item)) for search in searches]
        if all(answers):
            # The last question is the narrowest: what it found is what is shown.
            yield from (Hit(given, match) for match in answers[-1])


def _table(hits: list[Hit], *, history: bool) -> str:
    from backstay.cli.render.object_changes import value_text
    from backstay.cli.render.tables import columns

    header = ("OBJECT", *(("REVISION",) if history else ()), "PATH", "VALUE")
    rows = [
        (
            str(hit.object.identity),
            *((hit.object.mod_revision,) if history else ()),
            hit.match.path,
            value_text(hit.match.value),
        )
        for hit in hits
    ]
    return columns(header, rows) if rows else ""


def _plain(hit: Hit) -> dict[str, Any]:
    from backstay.sources import key_text

    identity = hit.object.identity
    return {
        "key": key_text(hit.object.key),
        "resource": identity.group_resource,
        "namespace": identity.namespace,
        "name": identity.name,
        "revision": hit.object.mod_revision,
        "path": hit.match.path,
        "value": hit.match.value,
    }
