"""The release of etcd that backstay is to its clients."""

from __future__ import annotations

from typing import Final

VERSION: Final = "3.7.3"
CLUSTER_VERSION: Final = "3.7.0"
