"""Errors of the store's server: where it listens, and why it stops."""

from __future__ import annotations

from backstay.errors.kinds import ExitStatus, Side, declare

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
STORE_DEFECT = declare(
    "store-defect",
    ExitStatus.ERROR,
    Side.BACKSTAY,
    "The store met a defect of its own while it handled calls. Nobody can know how much of them it applied, so it stopped; "
    "everything that was acknowledged is on disk.",
    "start it again, and report the defect with the server's log",
)
