"""etcd as a static pod (kubeadm, RKE2), and the etcd that the API server's static pod names.

A manifest's flags hold paths of the container; the volume mounts say where those are on the host. After a restore the
data directory of the host often differs from the one in the flags, which is why the mounts decide.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from backstay.etcd.discovery import credentials, flags
from backstay.etcd.discovery.credentials import Pair
from backstay.etcd.discovery.host_files import HostFiles
from backstay.etcd.discovery.installation import Installation, InstallationKind

KUBEADM_MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
RKE2_MANIFEST = "/var/lib/rancher/rke2/agent/pod-manifests/etcd.yaml"
API_SERVER_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"

_VERSION_IN_TAG = re.compile(r"v?(\d+\.\d+\.\d+)")
_ANNOTATED_URLS = "kubeadm.kubernetes.io/etcd.advertise-client-urls"


class Container(NamedTuple):
    """What a manifest says of one container. `mounts` are (container path, host path), longest first."""

    image: str
    program: str
    flags: Mapping[str, str]
    mounts: Sequence[tuple[str, str]]

    def on_host(self, path: str) -> str:
        """Where the container's `path` is on the host."""
        for inside, outside in self.mounts:
            if path == inside or path.startswith(f"{inside.rstrip('/')}/"):
                return posixpath.normpath(outside + "/" + path[len(inside) :])
        return path


def read_etcd(files: HostFiles, host_path: str, kind: InstallationKind) -> Installation:
    """The etcd of the static pod in `host_path`. Raises `OSError`, and `ValueError` with what is wrong with it."""
    pod = _pod(files.read(host_path))
    container = _container(pod, "etcd")
    settings = dict(container.flags)
    if "config-file" in settings:
        settings = flags.of_yaml(files.read(container.on_host(settings["config-file"])))
    annotations = _mapping(_mapping(pod.get("metadata")).get("annotations"))
    if isinstance(urls := annotations.get(_ANNOTATED_URLS), str):
        settings.setdefault("advertise-client-urls", urls)
    if not settings:
        raise ValueError("its etcd container has no flags")
    on_host = {**settings, **{name: container.on_host(settings[name]) for name in flags.PATHS if name in settings}}
    choice = credentials.of_server(files, on_host)
    return Installation(
        kind=kind,
        name=settings.get("name", flags.DEFAULT_NAME),
        found_in=files.path(host_path),
        client_urls=flags.client_urls(settings),
        credentials=choice.credentials,
        data_dir=files.path(on_host["data-dir"]) if "data-dir" in on_host else None,
        manifest=files.path(host_path),
        image=container.image,
        version=_version_of(container.image),
        flags=settings,
        paths=flags.paths(files, on_host),
        problem=choice.problem,
    )


def read_api_server(files: HostFiles, host_path: str) -> Installation:
    """The etcd that an API server uses. Raises as `read_etcd` does."""
    container = _container(_pod(files.read(host_path)), "kube-apiserver")
    settings = container.flags
    servers = tuple(url for part in settings.get("etcd-servers", "").split(",") if (url := part.strip()))
    if not servers:
        raise ValueError("its API server has no --etcd-servers")
    paths = [container.on_host(settings.get(name, "")) for name in ("etcd-cafile", "etcd-certfile", "etcd-keyfile")]
    choice = credentials.choose(files, paths[0], [Pair(paths[1], paths[2])] if paths[1] and paths[2] else [])
    return Installation(
        kind=InstallationKind.EXTERNAL,
        name="",
        found_in=files.path(host_path),
        client_urls=servers,
        credentials=choice.credentials,
        flags={name: value for name, value in settings.items() if name.startswith("etcd-")},
        paths={
            name: files.path(path)
            for name, path in zip(("etcd-cafile", "etcd-certfile", "etcd-keyfile"), paths, strict=True)
            if path
        },
        problem=choice.problem,
    )


def read_flags(files: HostFiles, host_path: str, program: str) -> Mapping[str, str]:
    """The flags of the container that runs `program` in a static pod. Raises as `read_etcd` does."""
    return _container(_pod(files.read(host_path)), program).flags


def _pod(text: str) -> Mapping[str, object]:
    pod = flags.load_yaml(text)
    if not isinstance(pod, Mapping) or pod.get("kind") != "Pod":
        raise ValueError("it is not the manifest of a pod")
    return pod


def _container(pod: Mapping[str, object], program: str) -> Container:
    spec = _mapping(pod.get("spec"))
    volumes = {
        str(volume.get("name")): str(_mapping(volume.get("hostPath")).get("path", ""))
        for volume in _mappings(spec.get("volumes"))
    }
    for entry in _mappings(spec.get("containers")):
        words = [str(word) for part in ("command", "args") for word in _list(entry.get(part))]
        name = posixpath.basename(words[0]) if words else ""
        if program not in (name, entry.get("name")):
            continue
        mounts = [
            (str(mount.get("mountPath", "")), volumes[str(mount.get("name"))])
            for mount in _mappings(entry.get("volumeMounts"))
            if volumes.get(str(mount.get("name")))
        ]
        mounts.sort(key=lambda mount: -len(mount[0]))
        variables = {
            str(variable.get("name")): str(variable.get("value", "")) for variable in _mappings(entry.get("env"))
        }
        found = flags.of_variables(variables) if program == "etcd" else {}
        return Container(str(entry.get("image", "")), name, {**found, **flags.of_words(words[1:])}, mounts)
    raise ValueError(f"it has no container that runs {program}")


def _version_of(image: str) -> str:
    found = _VERSION_IN_TAG.search(posixpath.basename(image).partition(":")[2])
    return found[1] if found else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    return (_mapping(each) for each in _list(value))
