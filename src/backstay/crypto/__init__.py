"""Encryption of files to recipients, in formats that ordinary programs open: age and OpenPGP.

Knows bytes and keys, not backups. Nothing of its own is invented here.
"""

from backstay.crypto.recipients import AgeRecipients, GpgRecipients, Recipients, read_recipients

__all__ = ["AgeRecipients", "GpgRecipients", "Recipients", "read_recipients"]
