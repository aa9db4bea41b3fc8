"""Tokens: who a request comes from. Simple ones are remembered here, signed ones (JWT) carry their own proof.

`signed` is imported by whoever needs it: few do, and its cryptography costs a server a tenth of its start.
"""

from backstay.store.tokens.passwords import PasswordHashes
from backstay.store.tokens.provider import NoTokens, TokenProvider
from backstay.store.tokens.simple import SimpleTokens

__all__ = ["NoTokens", "PasswordHashes", "SimpleTokens", "TokenProvider"]
