"""The time that leases have left, on a clock that never goes back. What a lease is and holds stands in `store.leases`."""

from backstay.store.leasing.lessor import Lessor

__all__ = ["Lessor"]
