"""Tokens: who a request comes from. Simple ones are remembered here, signed ones (JWT) carry their own proof."""

from backstay.store.tokens.passwords import PasswordHashes
from backstay.store.tokens.provider import NoTokens, TokenProvider
from backstay.store.tokens.signed import SignedTokens
from backstay.store.tokens.simple import SimpleTokens

__all__ = ["NoTokens", "PasswordHashes", "SignedTokens", "SimpleTokens", "TokenProvider"]
