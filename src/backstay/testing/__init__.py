"""For those who test: contract checkers that need no test framework.

Whoever writes a driver of their own runs `check_blob_store` over it.
"""

from backstay.testing.blob_store import ContractBroken, check_blob_store

__all__ = ["ContractBroken", "check_blob_store"]
