"""Finding the etcd that runs on this host: what it is, where its data lies, and how to reach it.

Called by the command line when nobody named an endpoint, and by doctor and cluster. Reads files below one root and nothing
else: no socket is opened, no process is looked at, and the environment is not read (`ETCDCTL_*` are the caller's, and
rank higher). Loads no gRPC.

    discovery = discover(Path("/"))
    discovery.chosen.endpoint, discovery.chosen.credentials, discovery.reasons
"""

from __future__ import annotations

from backstay.etcd.discovery.host_files import HostFiles
from backstay.etcd.discovery.installation import Discovery, Installation, InstallationKind
from backstay.etcd.discovery.search import discover

__all__ = ["Discovery", "HostFiles", "Installation", "InstallationKind", "discover"]
