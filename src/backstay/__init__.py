"""backstay: an etcd-v3-compatible store, and disaster recovery for any etcd that proves every restore."""

__version__ = "0.1.0"
__all__ = ["__version__"]
