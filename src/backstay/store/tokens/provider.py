"""What the engine asks of a kind of token."""

from __future__ import annotations

from typing import Protocol

from backstay.store.apply.permissions import Identity


class TokenProvider(Protocol):
    """One kind of token."""

    def issue(self, username: str, auth_revision: int, index: int) -> str:
        """A new token. `index` is the log index that etcd writes into simple ones. Raises `Refused`."""
        ...

    def identify(self, token: str, auth_revision: int) -> Identity | None:
        """Whose token it is; None for one that is unknown, expired or malformed. `auth_revision` is the present one."""
        ...

    def forget_user(self, username: str) -> None:
        """The user's password changed, or the user is gone."""
        ...

    def forget_all(self) -> None:
        """Access control was switched off."""
        ...


class NoTokens:
    """No tokens are given out, none is accepted."""

    def issue(self, username: str, auth_revision: int, index: int) -> str:
        return ""

    def identify(self, token: str, auth_revision: int) -> Identity | None:
        return None

    def forget_user(self, username: str) -> None:
        pass

    def forget_all(self) -> None:
        pass
