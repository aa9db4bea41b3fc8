"""The table of the commands below `backstay ctl`, and the tree that is built from it.

The names are etcdctl's. As in `cli/commands.py` nothing is imported before it runs.
"""

from __future__ import annotations

from backstay.cli.commands import Entry, Section
from backstay.cli.ctl.tree import CtlGroup, shared_ctl_parameters

PATH = "ctl"

GROUPS = {
    "ctl lease": "Leases, and the keys that end with them",
    "ctl endpoint": "What each endpoint says of itself",
    "ctl member": "The members of the cluster",
    "ctl alarm": "Alarms that are raised",
    "ctl downgrade": "Prepare the release before",
    "ctl snapshot": "Save, check and restore snapshots",
    "ctl auth": "Switch authentication on and off",
    "ctl user": "Users of etcd's own authentication",
    "ctl role": "Roles, and what they permit",
}


def _entry(path: str, section: Section, summary: str, place: str) -> Entry:
    return Entry(f"{PATH} {path}", section, summary, f"backstay.cli.{place}")


TABLE: tuple[Entry, ...] = (
    _entry("get", Section.KEY_VALUE, "Print a key or a range of keys", "ctl.keys:get"),
    _entry("put", Section.KEY_VALUE, "Write a key", "ctl.keys:put"),
    _entry("del", Section.KEY_VALUE, "Delete a key or a range of keys", "ctl.keys:delete"),
    _entry("txn", Section.KEY_VALUE, "Apply several requests as one transaction", "ctl.transactions"),
    _entry("watch", Section.KEY_VALUE, "Print changes as they happen", "ctl.watching"),
    _entry("compaction", Section.KEY_VALUE, "Forget the history before a revision", "ctl.keys:compaction"),
    _entry("lease grant", Section.KEY_VALUE, "Make a lease", "ctl.leases:grant"),
    _entry("lease revoke", Section.KEY_VALUE, "End a lease and delete its keys", "ctl.leases:revoke"),
    _entry("lease timetolive", Section.KEY_VALUE, "Print what is left of a lease", "ctl.leases:time_to_live"),
    _entry("lease list", Section.KEY_VALUE, "List all leases", "ctl.leases:list_leases"),
    _entry("lease keep-alive", Section.KEY_VALUE, "Renew a lease", "ctl.leases:keep_alive"),
    _entry("endpoint health", Section.CLUSTER, "Say whether each endpoint is healthy", "ctl.endpoints:health"),
    _entry("endpoint status", Section.CLUSTER, "Print what each endpoint says of itself", "ctl.endpoints:status"),
    _entry("endpoint hashkv", Section.CLUSTER, "Print the hash of each endpoint's keys", "ctl.endpoints:hashkv"),
    _entry("member list", Section.CLUSTER, "List the members", "ctl.members:list_members"),
    _entry("member add", Section.CLUSTER, "Add a member", "ctl.members:add"),
    _entry("member remove", Section.CLUSTER, "Remove a member", "ctl.members:remove"),
    _entry("member update", Section.CLUSTER, "Replace the peer addresses of a member", "ctl.members:update"),
    _entry("member promote", Section.CLUSTER, "Give a learner a vote", "ctl.members:promote"),
    _entry("alarm list", Section.CLUSTER, "List all alarms", "ctl.maintenance:list_alarms"),
    _entry("alarm disarm", Section.CLUSTER, "Clear all alarms", "ctl.maintenance:disarm"),
    _entry("defrag", Section.CLUSTER, "Rewrite the database of each endpoint", "ctl.endpoints:defrag"),
    _entry("move-leader", Section.CLUSTER, "Hand the leadership to another member", "ctl.members:move_leader"),
    _entry(
        "downgrade validate",
        Section.CLUSTER,
        "Say whether a downgrade is possible",
        "ctl.maintenance:validate_downgrade",
    ),
    _entry("downgrade enable", Section.CLUSTER, "Prepare a downgrade", "ctl.maintenance:enable_downgrade"),
    _entry("downgrade cancel", Section.CLUSTER, "Give up a downgrade", "ctl.maintenance:cancel_downgrade"),
    _entry("snapshot save", Section.CLUSTER, "Save a verified snapshot of a living etcd", "snapshot.save"),
    _entry("snapshot status", Section.CLUSTER, "Print hash, revision, keys and size, as etcd does", "snapshot.status"),
    _entry(
        "snapshot restore",
        Section.CLUSTER,
        "Make data directories of a new cluster from a snapshot",
        "snapshot.restore",
    ),
    _entry("lock", Section.CONCURRENCY, "Hold a lock by name", "ctl.concurrency:lock"),
    _entry("elect", Section.CONCURRENCY, "Take part in an election, or watch one", "ctl.concurrency:elect"),
    _entry("auth enable", Section.AUTHENTICATION, "Switch authentication on", "ctl.authentication:enable"),
    _entry("auth disable", Section.AUTHENTICATION, "Switch authentication off", "ctl.authentication:disable"),
    _entry("auth status", Section.AUTHENTICATION, "Say whether authentication is on", "ctl.authentication:status"),
    _entry("user add", Section.AUTHENTICATION, "Add a user", "ctl.users:add"),
    _entry("user delete", Section.AUTHENTICATION, "Delete a user", "ctl.users:delete"),
    _entry("user get", Section.AUTHENTICATION, "Print the roles of a user", "ctl.users:get"),
    _entry("user list", Section.AUTHENTICATION, "List all users", "ctl.users:list_users"),
    _entry("user passwd", Section.AUTHENTICATION, "Change the password of a user", "ctl.users:change_password"),
    _entry("user grant-role", Section.AUTHENTICATION, "Give a user a role", "ctl.users:grant_role"),
    _entry("user revoke-role", Section.AUTHENTICATION, "Take a role from a user", "ctl.users:revoke_role"),
    _entry("role add", Section.AUTHENTICATION, "Add a role", "ctl.roles:add"),
    _entry("role delete", Section.AUTHENTICATION, "Delete a role", "ctl.roles:delete"),
    _entry("role get", Section.AUTHENTICATION, "Print what a role permits", "ctl.roles:get"),
    _entry("role list", Section.AUTHENTICATION, "List all roles", "ctl.roles:list_roles"),
    _entry(
        "role grant-permission", Section.AUTHENTICATION, "Permit a role a range of keys", "ctl.roles:grant_permission"
    ),
    _entry(
        "role revoke-permission", Section.AUTHENTICATION, "Take a permission from a role", "ctl.roles:revoke_permission"
    ),
    _entry("make-mirror", Section.UTILITY, "Keep the keys of this etcd in another one", "ctl.mirroring"),
    _entry("version", Section.UTILITY, "Print the release whose commands these are", "ctl.maintenance:version"),
)

command = CtlGroup(
    TABLE,
    GROUPS,
    PATH,
    name=PATH,
    help="""etcdctl's commands over backstay's own client: the same names, flags, output and exit statuses as etcdctl 3.7.

    What changes something takes --dry-run. Without --endpoints the etcd of this host is found by itself.
    """,
    params=shared_ctl_parameters(),
)
