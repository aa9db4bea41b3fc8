"""`backstay kube top`: what fills etcd, at the newest revision and in the history that it still keeps. No value is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.sources.objects.usage import Usage


@own_command(
    examples="""
    backstay kube top backup.db
    backstay kube top /var/lib/etcd --limit 20
    backstay kube top live -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Rows of each table.")
@click.argument("source")
def command(*, source: str, limit: int, kube: KubeSettings, output: Format, reporting: Reporting) -> None:
    """Show what fills SOURCE: kinds, namespaces, the largest objects, the most written ones, leases and events.

    LIVE is what exists; HISTORY is what compaction has not removed yet: older revisions, and what was deleted. Bytes are
    those of keys and values; the file of etcd is larger by its pages and by free ones.
    """
    from backstay.sources.objects.usage import usage_of

    with kube.open(source, reporting) as objects:
        usage = usage_of(objects, limit)
    show(_plain(usage), output, lambda: _text(usage))


def _text(usage: Usage) -> str:
    from backstay.cli.render.tables import columns
    from backstay.values import size_text

    def shares(title: str, rows: Any) -> str:
        header = (title, "LIVE", "BYTES", "HISTORY", "BYTES", "SHARE")
        return columns(
            header,
            [
                (
                    name or "(none)",
                    each.live,
                    size_text(each.live_bytes),
                    each.history,
                    size_text(each.history_bytes),
                    f"{(each.live_bytes + each.history_bytes) / max(1, usage.total_bytes):.1%}",
                )
                for name, each in rows
            ],
        )

    total = usage.total
    compacted = "never compacted" if usage.compact_revision is None else f"compacted at {usage.compact_revision}"
    events = usage.events
    parts = [
        f"revision {usage.revision}, {compacted}: "
        f"{total.live} keys of {size_text(total.live_bytes)}, "
        f"and {total.history} superseded or deleted revisions of {size_text(total.history_bytes)}",
        shares("KIND", usage.kinds),
        shares("NAMESPACE", usage.namespaces),
        columns(("LARGEST", "BYTES"), [(name, size_text(size)) for name, size in usage.largest]),
        columns(("MOST WRITTEN", "TIMES", "STORED"), list(usage.most_written)),
        f"leases: {usage.leases} with {usage.leased_keys} keys; "
        f"events: {events.live} live, {events.history} superseded or expired, "
        f"{(events.live + events.history) / max(1, total.live + total.history):.1%} of all writes that are stored",
    ]
    return "\n\n".join(parts)


def _plain(usage: Usage) -> dict[str, Any]:
    def shares(rows: Any) -> list[dict[str, Any]]:
        return [{"name": name, **each._asdict()} for name, each in rows]

    return {
        "revision": usage.revision,
        "compact_revision": usage.compact_revision,
        "total": usage.total._asdict(),
        "kinds": shares(usage.kinds),
        "namespaces": shares(usage.namespaces),
        "largest": [{"name": name, "bytes": size} for name, size in usage.largest],
        "most_written": [
            {"name": name, "times": times, "stored": stored} for name, times, stored in usage.most_written
        ],
        "leases": {"leases": usage.leases, "keys": usage.leased_keys},
        "events": usage.events._asdict(),
    }
