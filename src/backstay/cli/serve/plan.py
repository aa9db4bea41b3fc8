"""What `backstay serve --dry-run` prints: what would be served, where, and out of which directory. Nothing is opened."""

from __future__ import annotations

from typing import Any

from backstay.cli.options import Format
from backstay.cli.render.show import show
from backstay.formats.directory import MEMBER
from backstay.server.settings import AutoCompaction, CompactionMode, Resolved
from backstay.values import size_text

_DEFAULT_QUOTA = 2 << 30


def show_plan(resolved: Resolved, source: str | None, output: Format) -> None:
    """Print the plan."""
    plan = planned(resolved, source)
    show(plan, output, lambda: "\n".join(_lines(plan)))


def planned(resolved: Resolved, source: str | None) -> dict[str, Any]:
    """The plan as data; stable API."""
    settings = resolved.settings
    there = (settings.data_directory / MEMBER).exists()
    return {
        "source": source,
        "data_directory": str(settings.data_directory) if source is None else None,
        "founds": source is None and not there,
        "name": settings.name,
        "listen_client_urls": [each.text for each in settings.listen_client_urls],
        "listen_client_http_urls": [each.text for each in settings.listen_client_http_urls],
        "listen_metrics_urls": [each.text for each in settings.listen_metrics_urls],
        "advertise_client_urls": list(settings.advertise_client_urls),
        "peer_urls": list(settings.peer_urls),
        "quota_bytes": settings.quota_bytes or _DEFAULT_QUOTA,
        "snapshot_count": settings.snapshot_count,
        "auto_compaction": _compaction(settings.auto_compaction),
        "notices": [
            {"message": each.message, **{name: str(value) for name, value in each.fields.items()}}
            for each in resolved.notices
        ],
    }


def _compaction(found: AutoCompaction | None) -> str:
    if found is None:
        return "none"
    return f"{found.retention:g} {'revisions' if found.mode is CompactionMode.REVISION else 'seconds'}"


def _lines(plan: dict[str, Any]) -> list[str]:
    if plan["source"] is not None:
        place = f"{plan['source']}, read-only"
    else:
        place = f"{plan['data_directory']}, {'to be founded' if plan['founds'] else 'as it is'}"
    quota = "none" if plan["quota_bytes"] < 0 else size_text(plan["quota_bytes"])
    rows = {
        "serves": place,
        "name": plan["name"],
        "listens on": ", ".join(plan["listen_client_urls"]),
        "HTTP on": ", ".join(plan["listen_client_http_urls"]),
        "metrics on": ", ".join(plan["listen_metrics_urls"]),
        "advertises": ", ".join(plan["advertise_client_urls"]),
        "quota": quota,
        "auto compaction": plan["auto_compaction"],
    }
    lines = [f"{label + ':':<17}{text}" for label, text in rows.items() if text]
    for notice in plan["notices"]:
        about = ", ".join(f"{name}: {value}" for name, value in notice.items() if name != "message")
        lines.append(f"note: {notice['message']}" + (f" ({about})" if about else ""))
    return [*lines, "Nothing was changed."]
