"""Checking and making password hashes: slow on purpose, so the server does it outside the store's thread.

etcd stores bcrypt. Which library computes it is for whoever assembles the server.
"""

from __future__ import annotations

from typing import Protocol


class PasswordHashes(Protocol):
    """bcrypt."""

    def hash(self, password: str) -> bytes:
        """A new hash: the bcrypt text."""
        ...

    def matches(self, password: str, hashed: bytes) -> bool:
        """Whether `hashed`, a bcrypt text, was made from `password`; False for a text that is none."""
        ...
