"""The API server of this host: what its static pod says, whether it runs, whether it is ready.

Called by `gather`. It is asked on loopback only, without credentials: /readyz answers anybody on a kubeadm cluster, and 401 or 403
tell as well that it lives.
"""

from __future__ import annotations

from pathlib import Path

from backstay.cluster.host import Host
from backstay.cluster.readiness import DEFAULT_PORT, readiness
from backstay.doctor.facts import ApiServerFacts
from backstay.etcd.discovery import HostFiles
from backstay.etcd.discovery.static_pod import API_SERVER_MANIFEST, read_api_server


def look_at_api_server(host: Host) -> ApiServerFacts | None:
    """What is known of the API server, None where this host has no manifest of one."""
    files = HostFiles(host.root)
    manifest = files.path(API_SERVER_MANIFEST)
    processes = [each for each in host.processes() if Path(each.arguments[0]).name == "kube-apiserver"]
    port = int(processes[0].flag("secure-port") or DEFAULT_PORT) if processes else DEFAULT_PORT
    try:
        named = read_api_server(files, API_SERVER_MANIFEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        return ApiServerFacts(manifest, is_running=bool(processes), problem=str(problem))
    ready = readiness(port) if processes else None
    return ApiServerFacts(manifest, named.client_urls, named.paths, ready, bool(processes))
