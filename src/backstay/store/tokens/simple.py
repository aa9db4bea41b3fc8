"""Simple tokens: sixteen random letters, a dot, the log index. Known only here, gone after a restart.

A token lives for `ttl` seconds from its last use, and always stands for the present auth revision.
"""

from __future__ import annotations

import string
from random import Random

from backstay.clock import Clock
from backstay.store.apply.permissions import Identity

DEFAULT_TTL_SECONDS = 300.0
_LETTERS = 16


class SimpleTokens:
    """The simple tokens in use. `random` must be one that nobody can predict (`random.SystemRandom`)."""

    def __init__(self, clock: Clock, random: Random, *, ttl_seconds: float = DEFAULT_TTL_SECONDS) -> None:
        self._clock = clock
        self._random = random
        self._ttl = ttl_seconds
        self._owners: dict[str, tuple[str, float]] = {}

    def issue(self, username: str, auth_revision: int, index: int) -> str:
        """A new token of the user."""
        now = self._clock.monotonic()
        self._owners = {token: owner for token, owner in self._owners.items() if owner[1] > now}
        letters = "".join(self._random.choices(string.ascii_letters, k=_LETTERS))
        token = f"{letters}.{index}"
        self._owners[token] = (username, now + self._ttl)
        return token

    def identify(self, token: str, auth_revision: int) -> Identity | None:
        """Whose token it is; using it makes it live longer."""
        owner = self._owners.get(token)
        now = self._clock.monotonic()
        if owner is None or owner[1] <= now:
            self._owners.pop(token, None)
            return None
        self._owners[token] = (owner[0], now + self._ttl)
        return Identity(owner[0], auth_revision)

    def forget_user(self, username: str) -> None:
        """The user's tokens are worth nothing any more."""
        self._owners = {token: owner for token, owner in self._owners.items() if owner[0] != username}

    def forget_all(self) -> None:
        """No token is worth anything any more."""
        self._owners.clear()
