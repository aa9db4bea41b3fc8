"""For those who test: an etcd inside a test, fakes, and contract checkers that need no test framework.

    from backstay.testing import Etcd

    with Etcd() as etcd:
        ...

`pytest_plugin` makes fixtures of it. Whoever writes a blob store of their own runs `check_blob_store` over it. Names are
imported on first use, so that a test pays for what it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backstay.testing.blob_store import ContractBroken as ContractBroken
    from backstay.testing.blob_store import check_blob_store as check_blob_store
    from backstay.testing.certificates import Certificates as Certificates
    from backstay.testing.clock import SteppingClock as SteppingClock
    from backstay.testing.etcd import Etcd as Etcd

_HOMES = {
    "Certificates": "certificates",
    "ContractBroken": "blob_store",
    "Etcd": "etcd",
    "SteppingClock": "clock",
    "check_blob_store": "blob_store",
}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
