"""`backstay kube tree`: the hierarchy of keys, drawn, with counts and bytes. No value is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from backstay.cli.groups import own_command
from backstay.cli.kube.options import KubeSettings, kube_options
from backstay.cli.options import Format, output_options, reporting_options
from backstay.cli.render.show import show
from backstay.cli.reporting import Reporting

if TYPE_CHECKING:
    from backstay.cli.render.trees import Twig
    from backstay.kube.census import Branch

_ALL_LEVELS = 64


@own_command(
    examples="""
    backstay kube tree backup.db
    backstay kube tree backup.db /registry/pods/ --depth 3
    backstay kube tree /var/lib/etcd --depth 1
    backstay kube tree live -o json
    """
)
@kube_options
@output_options
@reporting_options
@click.option(
    "--depth", type=click.IntRange(0, _ALL_LEVELS), default=2, show_default=True, help="How many levels below the root."
)
@click.option("--names", is_flag=True, help="All levels, down to the names of objects.")
@click.argument("source")
@click.argument("selection", required=False, default="", metavar="[PREFIX|GLOB]")
def command(
    *,
    source: str,
    selection: str,
    depth: int,
    names: bool,
    kube: KubeSettings,
    output: Format,
    reporting: Reporting,
) -> None:
    """Draw the hierarchy of the keys in SOURCE, with the number of keys and the bytes of their values at each node.

    PREFIX chooses keys as for `backstay keys`. With -o json every node has its `path`, and `below` what is in it.
    """
    from backstay.cli.render.trees import tree_text
    from backstay.kube.census import tree
    from backstay.sources import Selection

    with kube.open(source, reporting) as objects:
        entries = objects.source.keys(Selection.parse(selection), objects.settings.at)
        root = tree(entries, _ALL_LEVELS if names else depth)
    branches = list(root.children.values())
    show(
        [_plain(each, "") for each in branches],
        output,
        lambda: tree_text(("KEY", "KEYS", "BYTES"), [_twig(each) for each in branches]),
    )


def _twig(branch: Branch) -> Twig:
    from backstay.cli.render.trees import Twig
    from backstay.values import size_text

    cells = (branch.keys, size_text(branch.value_bytes))
    return Twig(branch.name, cells, tuple(_twig(each) for each in branch.children.values()))


def _plain(branch: Branch, above: str) -> dict[str, Any]:
    path = f"{above}/{branch.name}" if above else branch.name
    facts: dict[str, Any] = {"path": path, "keys": branch.keys, "value_bytes": branch.value_bytes}
    if branch.children:
        facts["below"] = [_plain(each, path) for each in branch.children.values()]
    return facts
