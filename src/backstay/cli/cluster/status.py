"""`backstay cluster status`: the members of a cluster on this machine, who leads, and how far each is."""

from __future__ import annotations

from pathlib import Path

from backstay.cli.cluster.place import place_of, place_options
from backstay.cli.groups import own_command
from backstay.cli.options import Format, ask_password, connection_options, output_options
from backstay.cli.render.show import show
from backstay.cli.render.tables import columns, printable
from backstay.cli.settings import ConnectionSettings
from backstay.clock import SystemClock
from backstay.cluster.local import ClusterStatus, cluster_status, load_cluster
from backstay.errors import ExitStatus
from backstay.values import size_text


@own_command(
    examples="""
    backstay cluster status
    backstay cluster status --directory /var/tmp/three -o json | jq .leader
    """
)
@connection_options
@output_options
@place_options
def command(*, directory: Path | None, name: str | None, connection: ConnectionSettings, output: Format) -> int:
    """Show every member: its role, revision, raft index and how many entries it is behind the leader, size and health.

    Exits with 0 when all members are healthy, 3 when the cluster serves without some of them, 12 when it does not serve, 7 when
    the store has users and none of them was given. Of the connection options only --user and --password count.
    """
    cluster = load_cluster(place_of(directory, name))
    settings = ask_password(connection)
    password = (settings.password or "") if settings.user else ""
    status = cluster_status(cluster, SystemClock(), user=settings.user or "", password=password)
    show(status, output, lambda: as_text(status))
    if status.wants_user:
        return ExitStatus.KEY_OR_PERMISSION
    if not status.serves:
        return ExitStatus.SOURCE_UNREACHABLE
    return ExitStatus.OK if status.is_whole else ExitStatus.WARNINGS


def as_text(status: ClusterStatus) -> str:
    """The table, and below it what is wrong."""
    table = columns(
        ("MEMBER", "ROLE", "HEALTHY", "REVISION", "INDEX", "LAG", "SIZE", "VERSION", "PID", "ENDPOINT"),
        [
            (
                each.name,
                each.role,
                "yes" if each.healthy else "NO",
                _number(each.revision),
                _number(each.raft_index),
                _number(each.lag),
                size_text(each.database_size) if each.database_size is not None else "-",
                each.version or "-",
                _number(each.pid),
                each.endpoint,
            )
            for each in status.members
        ],
    )
    notes = [f"{each.name}: {each.problem}" for each in status.members if each.problem]
    notes += [f"alarm: {alarm}" for alarm in status.alarms]
    if status.wants_user:
        notes.append("the store has users: give --user root[:PASSWORD] to see more")
    elif not status.serves:
        notes.append("the cluster does not serve: `backstay cluster up` starts the members that do not run")
    return "\n\n".join(part for part in (table, "\n".join(printable(note) for note in notes)) if part)


def _number(value: int | None) -> int | str:
    return "-" if value is None else value
