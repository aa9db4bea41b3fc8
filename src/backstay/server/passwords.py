"""bcrypt, as etcd stores passwords: `$2a$COST$...`. Slow on purpose, and computed without the interpreter's lock."""

from __future__ import annotations

import bcrypt

DEFAULT_COST = 10
MINIMUM_COST, MAXIMUM_COST = 4, 31
MAXIMUM_BYTES = 72
"""More of a password than that bcrypt does not look at; etcd refuses to set a longer one."""


class BcryptHashes:
    """Satisfies `store.tokens.PasswordHashes`. `cost` is etcd's --bcrypt-cost; outside of bcrypt's range it is the default."""

    def __init__(self, cost: int = DEFAULT_COST) -> None:
        self._cost = cost if MINIMUM_COST <= cost <= MAXIMUM_COST else DEFAULT_COST

    def hash(self, password: str) -> bytes:
        """A new hash. Raises `ValueError` for a password that is too long, with the text that etcd's clients see."""
        encoded = password.encode()
        if len(encoded) > MAXIMUM_BYTES:
            raise ValueError("bcrypt: password length exceeds 72 bytes")
        return bcrypt.hashpw(encoded, bcrypt.gensalt(self._cost, prefix=b"2a"))

    def matches(self, password: str, hashed: bytes) -> bool:
        """Whether `hashed` was made from `password`; False for a text that is no hash."""
        try:
            return bcrypt.checkpw(password.encode()[:MAXIMUM_BYTES], hashed)
        except ValueError:
            return False
