"""backstay: an etcd-v3-compatible store, and disaster recovery for any etcd that proves every restore.

For programs: `from backstay import open_source` (docs/guide/library.md).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay.library import Backup as Backup
    from backstay.library import open_source as open_source

__version__ = "0.1.0"
__all__ = ["Backup", "__version__", "open_source"]


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for: every command imports this package, and few look at objects.
    if name in ("Backup", "open_source"):
        from backstay import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
