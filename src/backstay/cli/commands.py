"""The table of all commands: where each is written, under which heading it is listed, and its one line of help.

`groups.py` builds the command tree from this table and imports a command's module only when that command runs or shows
its own help, so this module must import nothing of backstay. A module named here holds one click command under the name
`command`; `ctl` is a tree of its own, with its own table in `ctl/table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Section(Enum):
    """The headings of `backstay --help` and, from `KEY_VALUE` on, of `backstay ctl --help`, in their order."""

    BACKUPS = "Backups"
    SNAPSHOTS = "Snapshots"
    RUN = "Run an etcd"
    LOOK_INSIDE = "Look inside"
    KUBERNETES = "Look at Kubernetes objects"
    LIVING = "Talk to a living etcd"
    LEARN = "Learn and diagnose"
    KEY_VALUE = "Key-value commands"
    CLUSTER = "Cluster maintenance commands"
    CONCURRENCY = "Concurrency commands"
    AUTHENTICATION = "Authentication commands"
    UTILITY = "Utility commands"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command. `path` is what the user types after `backstay`; all words but the last are groups.

    `module` may name another attribute than `command` behind a colon, where one module holds a group of small commands.
    """

    path: str
    section: Section
    summary: str
    module: str


GROUPS: dict[str, str] = {
    "config": "What backstay.toml says, and whether it is right",
    "deploy": "Manifests and units that start `backstay run`",
    "hold": "Forbid that points are removed",
    "recipient": "Say who can read backups",
    "retention": "Say what is kept, and why",
    "kube": "Kubernetes objects in any source, shown as kubectl would",
    "cluster": "A real etcd cluster on this machine",
    "pki": "Make and show the certificates of an etcd",
    "snapshot": "Save, check and restore snapshots",
}
"""The summary of every group."""

TABLE: tuple[Entry, ...] = (
    Entry(
        "init",
        Section.BACKUPS,
        "Make a repository for backups",
        "backstay.cli.repository.init",
    ),
    Entry(
        "backup",
        Section.BACKUPS,
        "Add a point to a repository",
        "backstay.cli.repository.backup",
    ),
    Entry(
        "list",
        Section.BACKUPS,
        "List the points of a repository",
        "backstay.cli.repository.list",
    ),
    Entry(
        "show",
        Section.BACKUPS,
        "Show one point of a repository",
        "backstay.cli.repository.show",
    ),
    Entry(
        "restore",
        Section.BACKUPS,
        "Bring a point back as a file or a data directory",
        "backstay.cli.repository.restore",
    ),
    Entry(
        "tag",
        Section.BACKUPS,
        "Give a point a word to be found by",
        "backstay.cli.repository.tag",
    ),
    Entry(
        "estimate",
        Section.BACKUPS,
        "Say what backups of a cluster will store and cost",
        "backstay.cli.repository.estimate",
    ),
    Entry(
        "import",
        Section.BACKUPS,
        "Take dated backup files over into a repository",
        "backstay.cli.repository.import_files",
    ),
    Entry(
        "copy",
        Section.BACKUPS,
        "Bring another place up to what a repository holds",
        "backstay.cli.repository.copy",
    ),
    Entry(
        "verify",
        Section.BACKUPS,
        "Say how far the points of a repository can be trusted",
        "backstay.cli.repository.verify",
    ),
    Entry(
        "check",
        Section.BACKUPS,
        "Check that a repository hangs together, without a key",
        "backstay.cli.repository.check",
    ),
    Entry(
        "kit",
        Section.BACKUPS,
        "Say what a restore of a cluster would lack",
        "backstay.cli.repository.kit",
    ),
    Entry(
        "admit",
        Section.BACKUPS,
        "Let this host write to a repository",
        "backstay.cli.repository.admit",
    ),
    Entry(
        "revoke",
        Section.BACKUPS,
        "Believe a writer no more, from a point on",
        "backstay.cli.repository.revoke",
    ),
    Entry(
        "deploy cronjob",
        Section.BACKUPS,
        "Print a CronJob that backs a cluster up",
        "backstay.cli.deploy.cronjob",
    ),
    Entry(
        "deploy systemd",
        Section.BACKUPS,
        "Print a systemd service and timer that back a cluster up",
        "backstay.cli.deploy.systemd",
    ),
    Entry(
        "hold add",
        Section.BACKUPS,
        "Forbid that a point is ever removed",
        "backstay.cli.repository.hold.add",
    ),
    Entry(
        "hold list",
        Section.BACKUPS,
        "List what may not be removed, and why",
        "backstay.cli.repository.hold.list",
    ),
    Entry(
        "hold remove",
        Section.BACKUPS,
        "Let retention decide about a point again",
        "backstay.cli.repository.hold.remove",
    ),
    Entry(
        "retention apply",
        Section.BACKUPS,
        "Mark what a plan drops; nothing is deleted",
        "backstay.cli.repository.retention.apply",
    ),
    Entry(
        "retention break-lease",
        Section.BACKUPS,
        "Take maintenance away from a holder that hangs",
        "backstay.cli.repository.retention.break_lease",
    ),
    Entry(
        "retention merge",
        Section.BACKUPS,
        "One run in the place of several that only link points",
        "backstay.cli.repository.retention.merge",
    ),
    Entry(
        "retention plan",
        Section.BACKUPS,
        "Show which points a policy keeps, and what others free",
        "backstay.cli.repository.retention.plan",
    ),
    Entry(
        "retention sweep",
        Section.BACKUPS,
        "Delete what was marked a day ago, and leftovers",
        "backstay.cli.repository.retention.sweep",
    ),
    Entry(
        "retention undelete",
        Section.BACKUPS,
        "Bring marked points back",
        "backstay.cli.repository.retention.undelete",
    ),
    Entry(
        "run",
        Section.BACKUPS,
        "Do what is due for a cluster: save, verify, maintain",
        "backstay.cli.run",
    ),
    Entry(
        "status",
        Section.BACKUPS,
        "Say how backups stand against what was promised",
        "backstay.cli.status",
    ),
    Entry(
        "config check",
        Section.BACKUPS,
        "Find every mistake in backstay.toml",
        "backstay.cli.config.check",
    ),
    Entry(
        "config explain",
        Section.BACKUPS,
        "Say what clusters are promised, and where copies go",
        "backstay.cli.config.explain",
    ),
    Entry(
        "recipient list",
        Section.BACKUPS,
        "List who can read a repository's backups",
        "backstay.cli.repository.recipient.list",
    ),
    Entry(
        "recipient test",
        Section.BACKUPS,
        "Prove that an identity opens what was written",
        "backstay.cli.repository.recipient.test",
    ),
    Entry(
        "recipient add",
        Section.BACKUPS,
        "Let somebody more read a repository's backups",
        "backstay.cli.repository.recipient.add",
    ),
    Entry(
        "recipient remove",
        Section.BACKUPS,
        "Let somebody less read a repository's backups",
        "backstay.cli.repository.recipient.remove",
    ),
    Entry(
        "recipient rewrap",
        Section.BACKUPS,
        "Bring the keys of the past in line with the recipients",
        "backstay.cli.repository.recipient.rewrap",
    ),
    Entry(
        "recipient rotate",
        Section.BACKUPS,
        "Begin a new epoch at once, with a new signing key",
        "backstay.cli.repository.recipient.rotate",
    ),
    Entry(
        "snapshot save",
        Section.SNAPSHOTS,
        "Save a verified snapshot of a living etcd",
        "backstay.cli.snapshot.save",
    ),
    Entry(
        "snapshot rotate",
        Section.SNAPSHOTS,
        "Keep dated, verified backups as ordinary files",
        "backstay.cli.snapshot.rotate",
    ),
    Entry(
        "keys",
        Section.LOOK_INSIDE,
        "List the keys of a snapshot, a directory or a living etcd",
        "backstay.cli.keys",
    ),
    Entry(
        "get",
        Section.LOOK_INSIDE,
        "Show one key with its value",
        "backstay.cli.get",
    ),
    Entry(
        "snapshot status",
        Section.SNAPSHOTS,
        "Print hash, revision, keys and size, as etcd does",
        "backstay.cli.snapshot.status",
    ),
    Entry(
        "snapshot verify",
        Section.SNAPSHOTS,
        "Say how far a snapshot can be trusted, and why",
        "backstay.cli.snapshot.verify",
    ),
    Entry(
        "hashkv",
        Section.SNAPSHOTS,
        "Print the hash of all keys at a revision, as etcd does",
        "backstay.cli.hashkv",
    ),
    Entry(
        "kube get",
        Section.KUBERNETES,
        "Show objects of any source as kubectl get does",
        "backstay.cli.kube.get",
    ),
    Entry(
        "kube tree",
        Section.KUBERNETES,
        "Draw the hierarchy of keys with counts and bytes",
        "backstay.cli.kube.tree",
    ),
    Entry(
        "kube counts",
        Section.KUBERNETES,
        "Count objects by kind and by what they are for",
        "backstay.cli.kube.counts",
    ),
    Entry(
        "kube top",
        Section.KUBERNETES,
        "Show what fills etcd: kinds, namespaces, objects, history",
        "backstay.cli.kube.top",
    ),
    Entry(
        "kube search",
        Section.KUBERNETES,
        "Find objects by text, label, field or JSONPath",
        "backstay.cli.kube.search",
    ),
    Entry(
        "kube history",
        Section.KUBERNETES,
        "Show every stored revision of one object, and who made it",
        "backstay.cli.kube.history",
    ),
    Entry(
        "kube dump",
        Section.KUBERNETES,
        "Print every object as one line of JSON",
        "backstay.cli.kube.dump",
    ),
    Entry(
        "kube diff",
        Section.KUBERNETES,
        "Say what differs between two states of a cluster",
        "backstay.cli.kube.diff",
    ),
    Entry(
        "kube export",
        Section.KUBERNETES,
        "Write objects as YAML that `kubectl apply` takes",
        "backstay.cli.kube.export",
    ),
    Entry(
        "kube lost",
        Section.KUBERNETES,
        "Say what is gone or changed, and which volumes with it",
        "backstay.cli.kube.lost",
    ),
    Entry(
        "kube audit",
        Section.KUBERNETES,
        "Find what is stored plain, orphaned, forged or outdated",
        "backstay.cli.kube.audit",
    ),
    Entry(
        "kube trace",
        Section.KUBERNETES,
        "Follow an object and all that comes of it through etcd",
        "backstay.cli.kube.trace",
    ),
    Entry(
        "snapshot restore",
        Section.SNAPSHOTS,
        "Make data directories of a new cluster from a snapshot",
        "backstay.cli.snapshot.restore",
    ),
    Entry(
        "drill",
        Section.SNAPSHOTS,
        "Rehearse the restore of a backup on a real etcd",
        "backstay.cli.drill",
    ),
    Entry(
        "recover",
        Section.SNAPSHOTS,
        "Bring the control plane of this host back from a snapshot",
        "backstay.cli.recover",
    ),
    Entry(
        "serve",
        Section.RUN,
        "Run an etcd: the embedded store, or a backup read-only",
        "backstay.cli.serve.command",
    ),
    Entry(
        "cluster up",
        Section.RUN,
        "Start a real etcd cluster here: new, restored, or grown",
        "backstay.cli.cluster.up",
    ),
    Entry(
        "cluster status",
        Section.RUN,
        "Show its members, who leads, and how far each is",
        "backstay.cli.cluster.status",
    ),
    Entry(
        "cluster down",
        Section.RUN,
        "End it, and remove what it has made",
        "backstay.cli.cluster.down",
    ),
    Entry(
        "pki init",
        Section.RUN,
        "Make an authority and the certificates of an etcd",
        "backstay.cli.pki.init",
    ),
    Entry(
        "pki show",
        Section.RUN,
        "Show certificates, until when they are valid, what is wrong",
        "backstay.cli.pki.show",
    ),
    Entry(
        "ctl",
        Section.LIVING,
        "All of etcdctl's daily commands, without etcdctl",
        "backstay.cli.ctl.table",
    ),
    Entry(
        "doctor",
        Section.LEARN,
        "Name what is wrong with the etcd of this host",
        "backstay.cli.doctor",
    ),
    Entry(
        "explain",
        Section.LEARN,
        "Say what an error or a finding means, and what to do",
        "backstay.cli.learn.explain",
    ),
    Entry(
        "completion",
        Section.LEARN,
        "Print the completion script for a shell",
        "backstay.cli.learn.completion",
    ),
)
