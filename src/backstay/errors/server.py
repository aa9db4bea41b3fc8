"""Errors of the store's server: where it listens, and why it stops."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

SETTING_INVALID = declare(
    "setting-invalid",
    ExitStatus.USAGE,
    Side.YOU,
    "A flag, a variable or an entry of the configuration file of the server cannot be read, or contradicts another one.",
    "correct it; `backstay serve --help` lists the flags",
)
SETTING_UNSUPPORTED = declare(
    "setting-unsupported",
    ExitStatus.USAGE,
    Side.YOU,
    "A setting of etcd that the embedded store does not have; it would be wrong to start as if it had it.",
    "leave it out, or run real etcd on the same directory",
)
SEVERAL_MEMBERS_WANTED = declare(
    "several-members-wanted",
    ExitStatus.REFUSED,
    Side.YOU,
    "The settings describe a cluster of several members, or a member that joins one; the embedded store is a cluster of one.",
    "start real etcd for every member, or begin with one member here: real etcd starts on its directory and `etcdctl member "
    "add` lets it grow",
)
LISTENING_FAILED = declare(
    "listening-failed",
    ExitStatus.ERROR,
    Side.YOU,
    "The server cannot listen on an address: another process has it, this host does not own it, or it is not allowed.",
    "name another address, or end the process that listens there (`ss -ltnp` shows it)",
)
SERVER_CERTIFICATE_UNUSABLE = declare(
    "server-certificate-unusable",
    ExitStatus.KEY_OR_PERMISSION,
    Side.YOU,
    "A certificate, key, authority or revocation list that the server should use cannot be read, or does not fit together.",
    "check the file that is named, its owner and mode, and that the key belongs to the certificate",
)
STORE_NOT_STARTED = declare(
    "store-not-started",
    ExitStatus.ERROR,
    Side.YOU,
    "A store that a test wanted to use did not start.",
    "read the end of its log, which is in the reason",
)
STORE_DEFECT = declare(
    "store-defect",
    ExitStatus.ERROR,
    Side.BACKSTAY,
    "The store met a defect of its own while it handled calls. Nobody can know how much of them it applied, so it stopped; "
    "everything that was acknowledged is on disk.",
    "start it again, and report the defect with the server's log",
)
