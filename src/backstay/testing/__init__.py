"""For those who test: fakes, and contract checkers that need no test framework.

Whoever writes a driver of their own runs `check_blob_store` over it.
"""

from backstay.testing.blob_store import ContractBroken, check_blob_store
from backstay.testing.clock import SteppingClock

__all__ = ["ContractBroken", "SteppingClock", "check_blob_store"]
