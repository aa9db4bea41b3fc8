"""`backstay kube get`: objects of any source, asked for and printed as kubectl does.

Values of Secrets are taken out of the objects before anything else sees them, so that no form of output can show them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.groups import own_command
from backstay.cli.kube.asking import Question, Wish, ask
from backstay.cli.kube.forms import METAVAR, Form, print_form, read_form
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.kube.watching import watched
from backstay.cli.options import OUTPUT, collecting, given_flags, reporting_options
from backstay.cli.render.tables import printable
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backstay.kube.printing.field_selectors import FieldSelector
    from backstay.kube.printing.label_selectors import LabelSelector
    from backstay.kube.printing.tables import Section
    from backstay.kube.resources import Resource
    from backstay.kube.values import JsonObject, KubernetesObject
    from backstay.sources.objects import Objects

_WARNINGS = 3


def form_option(function: Any) -> Any:
    """Add -o with kubectl's forms; what was given is read with `given_form`."""
    from backstay.cli.options import attach

    shown = collecting(
        ["--output", "-o", "output"], "output", section=OUTPUT, metavar=METAVAR, help="The form; table unless given."
    )
    return attach(function, [shown, collecting(["--write-out", "-w", "output_synonym"], "output", hidden=True)])


def given_form() -> Form:
    """The form that was asked for, on either side of the command or by BACKSTAY_OUTPUT."""
    given = given_flags(click.get_current_context()).get("output", ())
    return read_form(given[-1] if given else invocation.current().environment.get("BACKSTAY_OUTPUT") or "table")


@own_command(
    examples="""
    backstay kube get backup.db pods -n production
    backstay kube get backup.db deploy,svc -A -l app=web -o wide
    backstay kube get backup.db all -n production
    backstay kube get backup.db deployment web -o yaml
    backstay kube get /mnt/backups configmap/app-config --at before-upgrade --identity operator.key
    backstay kube get live pods -o jsonpath='{.items[*].metadata.name}'
    backstay kube get backup.db /registry/services/default/web
    """
)
@kube_options
@form_option
@reporting_options
@click.option("--namespace", "-n", help="The namespace; `default` unless given.")
@click.option("--all-namespaces", "-A", "everywhere", is_flag=True, help="All namespaces.")
@click.option("--selector", "-l", default="", metavar="LABELS", help="Only these labels: app=web,tier in (a,b),!old.")
@click.option("--field-selector", default="", metavar="FIELDS", help="Only these fields: status.phase=Running.")
@click.option("--sort-by", default="", metavar="PATH", help="In the order of what stands at this JSONPath.")
@click.option("--show-labels", is_flag=True, help="All labels as the last column of a table.")
@click.option("--label-columns", "-L", multiple=True, metavar="LABEL", help="A label as a column of its own.")
@click.option("--show-kind", is_flag=True, help="The kind before each name of a table.")
@click.option("--no-headers", is_flag=True, help="Tables without their first line.")
@click.option("--show-managed-fields", is_flag=True, help="Keep metadata.managedFields in YAML and JSON.")
@click.option("--show-secrets", is_flag=True, help="Show the values of Secrets too.")
@click.option("--age-at", metavar="TIME", help="Count ages to this time instead of now: 2026-11-25T18:30:00Z.")
@click.argument("source")
@click.argument("words", nargs=-1, metavar="TYPE [NAME]... | TYPE/NAME... | KEY...")
def command(
    *,
    source: str,
    words: tuple[str, ...],
    namespace: str | None,
    everywhere: bool,
    selector: str,
    field_selector: str,
    sort_by: str,
    show_labels: bool,
    label_columns: tuple[str, ...],
    show_kind: bool,
    no_headers: bool,
    show_managed_fields: bool,
    show_secrets: bool,
    age_at: str | None,
    kube: KubeSettings,
    reporting: Reporting,
) -> int | None:
    """Show objects of SOURCE as `kubectl get` does.

    TYPE is written as for kubectl: pods, po, deployments.apps, all, or several with commas. A KEY may be written as people
    remember it: /registry/services/default/web. The values of Secrets are left out unless --show-secrets is given.
    """
    from backstay.kube.printing.tables import Options, draw
    from backstay.kube.redaction import redact

    form = given_form()
    chooser = _Chooser.read(selector, field_selector)
    now = _moment(age_at)
    with kube.open(source, reporting) as objects:
        question = ask(words, objects, namespace=namespace, everywhere=everywhere)
        groups: list[tuple[Resource | None, list[KubernetesObject]]] = []
        missing: list[errors.BackstayError] = []
        unreadable = 0
        for wish in question.wishes:
            found = []
            for each in watched(_there(question, wish, objects, missing), reporting, "read"):
                if each.json is None:
                    unreadable += 1
                    _refuse_single(question, each)
                # Before it is chosen: a selector must not be a way to guess values.
                shown = each if show_secrets else redact(each)
                if chooser.fits(shown):
                    found.append(shown)
            if groups and groups[-1][0] is not None and groups[-1][0] == wish.resource:
                groups[-1][1].extend(found)
            else:
                groups.append((wish.resource or _resource(found, objects), found))
        if sort_by:
            groups = [(resource, _sorted(found, sort_by)) for resource, found in groups]
        if form.is_table:
            labels = tuple(part for each in label_columns for part in each.split(","))
            kinds = {resource.group_resource for resource, _ in groups if resource is not None}
            options = Options(
                form.is_wide, show_labels, labels, everywhere, show_kind or len(kinds) > 1, not no_headers
            )
            sections = [_section(resource, found, objects, question) for resource, found in groups]
            text = draw(sections, options, _context(now))
        else:
            text = _text(form, groups, question, headers=not no_headers, managed=show_managed_fields)
        if not missing and not any(found for _, found in groups) and (form.is_table or form.name == "name"):
            _say_nothing_found(question, groups, objects, reporting)
    click.echo(text, nl=False)
    if missing:
        raise missing[0]
    if unreadable:
        reporting.warn(f"{unreadable} objects could not be decoded and have no more than a name", count=unreadable)
        return _WARNINGS
    return None


def _there(
    question: Question, wish: Wish, objects: Objects, missing: list[errors.BackstayError]
) -> Iterator[KubernetesObject]:
    """What a wish finds. Of several names those that are there are shown, and what is missing is told afterwards."""
    try:
        yield from question.found(wish, objects)
    except errors.BackstayError as problem:
        if question.is_single or problem.kind is not errors.OBJECT_NOT_FOUND:
            raise
        missing.append(problem)


class _Chooser:
    """Label and field selectors, applied to decoded objects."""

    def __init__(self, labels: LabelSelector, fields: FieldSelector) -> None:
        self._labels = labels
        self._fields = fields

    @classmethod
    def read(cls, labels: str, fields: str) -> _Chooser:
        from backstay.kube.printing.field_selectors import read_field_selector
        from backstay.kube.printing.label_selectors import read_label_selector

        try:
            return cls(read_label_selector(labels), read_field_selector(fields))
        except errors.FormatError as problem:
            raise errors.USAGE.error(problem.what, why=problem.why) from problem

    def fits(self, each: KubernetesObject) -> bool:
        if not self._labels.requirements and not self._fields.terms:
            return True
        if each.json is None:
            return False
        metadata = each.json.get("metadata")
        labels = metadata.get("labels") if isinstance(metadata, dict) else None
        return self._labels.fits(labels) and self._fields.fits(each.json)


def _moment(text: str | None) -> datetime:
    from backstay.clock import SystemClock
    from backstay.kube.printing.ages import moment_of

    if text is None:
        return SystemClock().now()
    moment = moment_of(text)
    if moment is None:
        raise errors.USAGE.error(f"{text!r} is no time", where="--age-at", next_step="write 2026-11-25T18:30:00Z")
    return moment


def _context(now: datetime) -> Any:
    from backstay.kube.printing.columns import Context

    return Context(now)


def _refuse_single(question: Question, each: KubernetesObject) -> None:
    if question.is_single:
        why = str(each.problem) if each.problem is not None else each.text
        raise errors.OBJECT_UNREADABLE.error(f"{each.identity} cannot be decoded", why=why)


def _resource(found: list[KubernetesObject], objects: Objects) -> Resource | None:
    """The resource of what was asked for by its key."""
    return objects.resources.find(found[0].identity.group_resource) if found else None


def _section(resource: Resource | None, found: list[KubernetesObject], objects: Objects, question: Question) -> Section:
    from backstay.kube.printing.columns import part
    from backstay.kube.printing.kinds.custom import custom_columns
    from backstay.kube.printing.kinds.table import WITHOUT_TABLE, columns_of, in_order
    from backstay.kube.printing.tables import Section

    items = [_shown(each) for each in found]
    if resource is None:
        return Section(WITHOUT_TABLE, items, items[0]["kind"].lower() if items else "")
    prefix = f"{resource.kind.lower()}.{resource.group}" if resource.group else resource.kind.lower()
    if resource.is_custom:
        crd = objects.get(objects.find("customresourcedefinitions"), resource.group_resource)
        version = str(part(items[0], "apiVersion")).rpartition("/")[2] if items else ""
        return Section(custom_columns(crd.json if crd else None, version), items, prefix, resource.namespaced)
    listed = () if question.is_single else items
    columns = columns_of(resource.group_resource, objects.release, listed)
    return Section(columns, in_order(resource.group_resource, items), prefix, resource.namespaced)


def _shown(each: KubernetesObject) -> JsonObject:
    """The object, or as much of it as its key tells."""
    from backstay.kube.printing.tables import UNREADABLE

    if each.json is not None:
        return each.json
    identity = each.identity
    metadata = {"name": identity.name, **({"namespace": identity.namespace} if identity.namespace else {})}
    why = each.problem.code if each.problem is not None else "no-object"
    return {"apiVersion": identity.api_version, "kind": identity.kind, "metadata": metadata, UNREADABLE: why}


def _text(
    form: Form,
    groups: list[tuple[Resource | None, list[KubernetesObject]]],
    question: Question,
    *,
    headers: bool,
    managed: bool,
) -> str:
    from backstay.kube.printing.objects import without_managed_fields
    from backstay.kube.printing.tabs import one_line

    every = [each for _, found in groups for each in found]
    if form.name == "name":
        return "".join(one_line(f"{_kind(each)}/{each.identity.name}") + "\n" for each in every)
    # What could not be decoded would be taken for an empty object by whoever applies this.
    items = [each.json for each in every if each.json is not None]
    if form.name in ("json", "yaml") and not managed:
        items = [without_managed_fields(each) for each in items]
    return print_form(form, items, is_single=question.is_single, headers=headers)


def _kind(each: KubernetesObject) -> str:
    identity = each.identity
    kind = (identity.kind or identity.resource).lower()
    return f"{kind}.{identity.group}" if identity.group else kind


def _sorted(found: list[KubernetesObject], path: str) -> list[KubernetesObject]:
    from backstay.kube.printing.sorting import sorting_key

    try:
        key = sorting_key(path)
        return sorted(found, key=lambda each: key(each.json))
    except errors.FormatError as problem:
        raise errors.USAGE.error(problem.what, where="--sort-by", why=problem.why) from problem


def _say_nothing_found(
    question: Question,
    groups: list[tuple[Resource | None, list[KubernetesObject]]],
    objects: Objects,
    reporting: Reporting,
) -> None:
    if question.namespace is None or all(resource is None or not resource.namespaced for resource, _ in groups):
        reporting.note("No resources found")
        return
    others = sorted({name for wish in question.wishes for name in _namespaces(wish, objects)})
    hint = printable(f"; there are some in {', '.join(others[:5])}: -n NAMESPACE or -A") if others else ""
    reporting.note(f"No resources found in {question.namespace} namespace{hint}.")


def _namespaces(wish: Wish, objects: Objects) -> Iterator[str]:
    from backstay.sources.objects import Choice

    if wish.resource is not None and wish.resource.namespaced:
        yield from {head.identity.namespace for head in objects.heads(Choice(wish.resource))}
