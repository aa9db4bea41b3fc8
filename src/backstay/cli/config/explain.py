"""`backstay config explain`: what backstay.toml promises each cluster, when runs start, and where copies go."""

from __future__ import annotations

from collections.abc import Sequence

import click

from backstay.cli.config.chosen import chosen_file, config_option
from backstay.cli.groups import own_command
from backstay.cli.options import Format, output_options
from backstay.cli.render.plain import Plain
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, pairs
from backstay.cli.repository.named import named_cluster
from backstay.config.configuration import Cluster
from backstay.config.promise import Copy, Promise, promise_of
from backstay.config.reading import load
from backstay.values import span_text


@own_command(
    examples="""
    backstay config explain
    backstay config explain production-eu
    backstay config explain --config deploy/backstay.toml -o yaml
    """
)
@config_option
@output_options
@click.argument("cluster", required=False, default="", metavar="[CLUSTER]")
def command(*, cluster: str, config: str, output: Format) -> None:
    """Say what CLUSTER, or every cluster of the configuration, is promised.

    A run starts so early that it has ended before the RPO of the last one is over. `missing` is what the 3-2-1 rule still
    wants: another storage system, another site, an object store, and one copy that is readable without backstay.
    """
    path = chosen_file(config)
    configuration = load(path)
    chosen = [named_cluster(configuration, cluster, path)] if cluster else list(configuration.clusters.values())
    promises = [(each, promise_of(each)) for each in chosen]
    show(
        [as_plain(each, promise) for each, promise in promises],
        output,
        lambda: "\n\n".join(as_text(each, promise) for each, promise in promises) or f"{path} names no cluster",
    )


def as_plain(cluster: Cluster, promise: Promise) -> dict[str, Plain]:
    """A promise as JSON and YAML have it."""
    tier = promise.tier
    return {
        "cluster": cluster.name,
        "endpoints": list(cluster.endpoints),
        "site": cluster.site,
        "tier": tier.name,
        "every": str(tier.every),
        "keep": str(tier.keep),
        "rto": str(tier.rto),
        "rpo": str(tier.rpo),
        "interval_seconds": promise.interval.total_seconds(),
        "copies": [
            {
                "name": each.name,
                "form": each.form.value,
                "location": each.location,
                "site": each.site,
                "system": each.system,
                "object_store": each.object_store,
                "every": str(each.every or tier.every),
                "keep": str(each.keep or tier.keep),
                "lock": each.lock,
                "requires_copy": each.requires_copy,
            }
            for each in promise.copies
        ],
        "missing": list(promise.missing),
    }


def as_text(cluster: Cluster, promise: Promise) -> str:
    """A promise for people."""
    tier = promise.tier
    rows: list[tuple[str, object]] = [
        ("Cluster", cluster.name),
        ("Reached at", ", ".join(cluster.endpoints)),
        ("Tier", tier.name),
        ("Lost at most", f"{tier.rpo} (RPO)"),
        ("Back within", f"{tier.rto} (RTO)"),
        ("Runs start", _starts(promise)),
        ("Kept", tier.keep),
        *((each.name, rules) for each in promise.copies if (rules := _rules(each, promise))),
        ("Missing", "; ".join(promise.missing) or "nothing of 3-2-1"),
    ]
    copies: Sequence[Sequence[object]] = [
        (each.name, each.form.value, each.site or "-", each.system, each.location) for each in promise.copies
    ]
    return f"{pairs(rows)}\n\n{columns(('COPY', 'FORM', 'SITE', 'SYSTEM', 'LOCATION'), copies)}"


def _rules(copy: Copy, promise: Promise) -> str:
    """What is otherwise at one copy than the tier says."""
    tier, rules = promise.tier, []
    if copy.every is not None or copy.keep is not None:
        rules.append(f"one every {copy.every or tier.every}, kept {copy.keep or tier.keep}")
    if copy.requires_copy:
        rules.append("points go only when another copy holds them, verified")
    if copy.lock:
        rules.append("objects locked against deletion as long as points need them")
    return "; ".join(rules)


def _starts(promise: Promise) -> str:
    """A tier that leaves room between its interval and its RPO starts on its interval."""
    wanted, interval = promise.tier.every, promise.interval
    if interval == wanted.length:
        return f"{wanted} after the last has started"
    return f"{span_text(interval)} after the last has started, so that each ends within {promise.tier.rpo}"
