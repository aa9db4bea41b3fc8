"""`backstay kube dump`: every key as one line of JSON, for jq and scripts.

    {"key": "/registry/pods/default/web", "modRevision": 12, "createRevision": 9, "version": 2, "apiVersion": "v1",
     "kind": "Pod", "encoding": "protobuf", "encrypted": "", "size": 904, "json": {...}}

`problem` and `notes` appear where there is something to say, `lease` and `text` where there is one. Names are stable API.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from typing import Any

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import reporting_options
from backstay.cli.reporting import Reporting
from backstay.telemetry.progress import Progress, SilentProgress

_PROGRESS_BYTES = 1 << 20
_LINES_AT_ONCE = 50

# Some readers of lines break them at these too, and terminals obey the first.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029]")


@own_command(
    examples="""
    backstay kube dump backup.db > cluster.jsonl
    backstay kube dump backup.db pods -n production | jq -r .json.spec.nodeName
    backstay kube dump /mnt/backups secrets --at latest --identity operator.key --show-secrets
    backstay kube dump backup.db --encryption-config encryption.yaml --revision 81234
    """
)
@kube_options
@reporting_options
@click.option("--namespace", "-n", help="Only objects of this namespace.")
@click.option("--show-secrets", is_flag=True, help="Print the values of Secrets too.")
@click.argument("source")
@click.argument("resource", required=False, metavar="[RESOURCE]")
def command(
    *,
    source: str,
    resource: str | None,
    namespace: str | None,
    show_secrets: bool,
    kube: KubeSettings,
    reporting: Reporting,
) -> None:
    """Print every key of SOURCE with its decoded object, one line of JSON each, in the order of keys.

    `json` is what the API server would print, null where the key holds no object or an encrypted one that cannot be
    opened; `problem` says why. Values of Secrets are left out unless --show-secrets is given.
    """
    from backstay.kube.redaction import redact
    from backstay.kube.values import KubernetesObject
    from backstay.sources.objects import Choice

    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    problems = read_bytes = 0
    lines: list[str] = []
    # Between the lines on a terminal it would only be in the way.
    progress: Progress = SilentProgress() if sys.stdout.isatty() else reporting.watch()
    with kube.open(source, reporting) as objects, contextlib.ExitStack() as at_the_end:
        choice = Choice(objects.find(resource) if resource else None, namespace)
        at_the_end.callback(progress.finish)
        progress.begin("reading objects", None)
        each: KubernetesObject
        for each in objects.objects(choice):
            problems += each.problem is not None
            lines.append(_ESCAPED.sub(_escape, encode(_line(each if show_secrets else redact(each)))))
            if len(lines) == _LINES_AT_ONCE:
                click.echo("\n".join(lines))
                lines.clear()
            read_bytes += each.size
            if read_bytes >= _PROGRESS_BYTES:
                progress.advance(read_bytes)
                read_bytes = 0
        if lines:
            click.echo("\n".join(lines))
    if problems:
        reporting.warn(f"{problems} keys are not shown as the API server would: see their `problem`", count=problems)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _line(each: Any) -> dict[str, Any]:
    from backstay.sources import key_text

    line: dict[str, Any] = {
        "key": key_text(each.key),
        "modRevision": each.mod_revision,
        "createRevision": each.create_revision,
        "version": each.version,
        "apiVersion": each.stored_api_version,
        "kind": each.identity.kind,
        "encoding": each.encoding.value,
        "encrypted": each.encrypted,
        "size": each.size,
    }
    if each.lease:
        line["lease"] = each.lease
    if each.problem is not None:
        line["problem"] = {"code": each.problem.code, "text": each.problem.text}
    if each.notes:
        line["notes"] = list(each.notes)
    if each.text:
        line["text"] = each.text
    return {**line, "json": each.json}
