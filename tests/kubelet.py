"""A control plane on a scratch root, with real processes and without containers: for tests of recover and doctor.

    with ControlPlane(tmp_path, peer) as plane:          kubeadm's layout below tmp_path, a kubelet that runs it
        plane.wait_ready()
        plane.client().kv.put(...)
        plane.kubelet.pause()                            nothing is started or stopped any more

`StandInKubelet` does what the kubelet does with static pods and no more: a manifest in the directory runs, one that goes away
is stopped, a process that ends is started again. Paths in flags are mapped below the root by the manifest's hostPath volumes.
The stand-in API server answers /readyz with 200 while it can read etcd over mTLS; `api_server=PATH` runs a real one in its
place, with an administrator's token, `controllers=PATH` the real controllers, and `store=COMMAND` another program as etcd.
Only processes started here are ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme
import yaml

from backstay.cluster.readiness import readiness
from backstay.etcd.client import Client
from backstay.etcd.connection import ConnectionOptions, Credentials
from tests.etcd_process import free_ports
from tests.peers import Peer

POLL_SECONDS = 0.03
RESTART_SECONDS = 0.5
WAIT_SECONDS = 60.0
MEMBER_NAME = "control-plane-1"
PKI = "/etc/kubernetes/pki"
MANIFESTS = "/etc/kubernetes/manifests"
DATA = "/var/lib/etcd"
ADMINISTRATOR_TOKEN = "administrator"
"""Of a test's own API server, which listens on loopback for as long as the test."""

_API_SERVER = """
import http.client, http.server, json, ssl, sys
flags = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
address = flags["etcd-servers"].split("//")[1]
trust = ssl.create_default_context(cafile=flags["etcd-cafile"])
trust.load_cert_chain(flags["etcd-certfile"], flags["etcd-keyfile"])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            connection = http.client.HTTPSConnection(address, timeout=1, context=trust)
            connection.request("POST", "/v3/kv/range", json.dumps({"key": "cmVhZHk="}))
            status = 200 if connection.getresponse().status == 200 else 500
            connection.close()
        except OSError:
            status = 500
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", int(flags["secure-port"])), Handler)
own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
own.load_cert_chain(flags["tls-cert-file"], flags["tls-private-key-file"])
server.socket = own.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
_IDLE = "import signal; signal.pause()"


def _inode(path: Path) -> int | None:
    """Which file a name stands for now, None when it went away after the directory was listed."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one control plane."""

    client: int
    peer: int
    api_server: int
    controllers: int


class StandInKubelet:
    """Runs the manifests below `root` in a thread until it is stopped. `programs` say what runs a container's command."""

    def __init__(self, root: Path, programs: Mapping[str, list[str]]) -> None:
        self.root = root
        self._programs = programs
        self._manifests = root / MANIFESTS.lstrip("/")
        self._running: dict[str, tuple[int, subprocess.Popen[bytes]]] = {}
        self._started: dict[str, float] = {}
        self._lock = threading.Lock()
        self._is_paused = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="kubelet", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Do nothing more until `go_on`; what runs, runs."""
        with self._lock:
            self._is_paused = True

    def go_on(self) -> None:
        """Work again."""
        with self._lock:
            self._is_paused = False

    def process(self, name: str) -> subprocess.Popen[bytes] | None:
        """The process of the pod whose manifest is NAME.yaml, None while it does not run."""
        found = self._running.get(name)
        return found[1] if found is not None and found[1].poll() is None else None

    def stop_all(self) -> None:
        """End every pod in order; pause first, or they start again."""
        self._end_all(kill=False)

    def kill_all(self) -> None:
        """Kill every pod, as a machine that loses power; pause first, or they start again."""
        self._end_all(kill=True)

    def close(self) -> None:
        """End the thread and every process."""
        self._is_over.set()
        self._thread.join(WAIT_SECONDS)
        self.kill_all()

    def _work(self) -> None:
        while not self._is_over.wait(POLL_SECONDS):
            with self._lock:
                if not self._is_paused:
                    self._synchronize()

    def _synchronize(self) -> None:
        found = {path.stem: path for path in self._manifests.glob("[!.]*.yaml")}
        for name in list(self._running):
            if name not in found or _inode(found[name]) != self._running[name][0]:
                self._end(name)
        for name, path in found.items():
            running = self._running.get(name)
            if running is not None and running[1].poll() is None:
                continue
            if time.monotonic() - self._started.get(name, -RESTART_SECONDS) >= RESTART_SECONDS:
                self._start(name, path)

    def _end_all(self, *, kill: bool) -> None:
        with self._lock:
            for name in list(self._running):
                self._end(name, kill=kill)

    def _start(self, name: str, manifest: Path) -> None:
        try:
            inode, pod = manifest.stat().st_ino, yaml.safe_load(manifest.read_text())
            container = pod["spec"]["containers"][0]
            words = container["command"]
        except (OSError, yaml.YAMLError, TypeError, KeyError):
            return  # the real one says so in its log, and goes on
        volumes = {each["name"]: each["hostPath"]["path"] for each in pod["spec"].get("volumes", ())}
        mounts = [(each["mountPath"], volumes[each["name"]]) for each in container.get("volumeMounts", ())]
        command = [*self._programs[words[0]], *(self._mapped(word, mounts) for word in words[1:])]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCD")}
        environment["ETCD_UNSUPPORTED_ARCH"] = os.uname().machine
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._running[name] = (inode, process)
        self._started[name] = time.monotonic()

    def _mapped(self, word: str, mounts: list[tuple[str, str]]) -> str:
        flag, equals, value = word.partition("=")
        for inside, outside in mounts:
            if value == inside or value.startswith(f"{inside}/"):
                return f"{flag}{equals}{self.root}{outside}{value[len(inside) :]}"
        return word

    def _end(self, name: str, *, kill: bool = False) -> None:
        _, process = self._running.pop(name)
        if process.poll() is None and not kill:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        elif process.poll() is None:
            process.kill()
        process.wait(10)


class ControlPlane:
    """kubeadm's layout of one control-plane node below `root`, and a stand-in kubelet that runs it."""

    def __init__(
        self,
        root: Path,
        peer: Peer,
        *,
        starts: bool = True,
        api_server: Path | None = None,
        api_server_flags: Sequence[str] = (),
        controllers: Path | None = None,
        store: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.peer = peer
        self._real_api_server = api_server
        self._api_server_flags = api_server_flags
        self._real_controllers = controllers
        self._store = list(store)
        self.ports = Ports(*free_ports(4))
        self.manifests = self.path(MANIFESTS)
        self.data = self.path(DATA)
        self.manifests.mkdir(parents=True)
        self.data.mkdir(parents=True, mode=0o700)
        self._write_certificates()
        for name, command in self._commands().items():
            self.write_manifest(name, command)
        self._kubelet: StandInKubelet | None = None
        self._starts = starts

    @property
    def kubelet(self) -> StandInKubelet:
        assert self._kubelet is not None
        return self._kubelet

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.ports.client}"

    def path(self, absolute: str) -> Path:
        """A path of the host, below the root."""
        return self.root / absolute.lstrip("/")

    def client(self) -> Client:
        """A client with the API server's certificate; the caller closes it."""
        pki = self.path(PKI)
        credentials = Credentials(
            str(pki / "etcd/ca.crt"), str(pki / "apiserver-etcd-client.crt"), str(pki / "apiserver-etcd-client.key")
        )
        return Client(ConnectionOptions.of([self.endpoint], credentials))

    def wait_ready(self) -> None:
        """Return when /readyz says 200."""
        self.wait_for(lambda: readiness(self.ports.api_server) == 200, "the API server is not ready")

    def wait_for(self, condition: object, otherwise: str) -> None:
        """Return when `condition` holds; fails after a minute."""
        deadline = time.monotonic() + WAIT_SECONDS
        assert callable(condition)
        while not condition():
            assert time.monotonic() < deadline, f"{otherwise}\n{self.log('etcd')}"
            time.sleep(POLL_SECONDS)

    def log(self, name: str) -> str:
        """The end of a pod's log."""
        path = self.root / f"{name}.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def write_manifest(self, name: str, command: list[str], *, mounts: Mapping[str, str] | None = None) -> None:
        """A static pod that runs `command`; `mounts` are container path -> host path."""
        mounts = mounts or {DATA: DATA, PKI: PKI}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {
                "hostNetwork": True,
                "containers": [
                    {
                        "name": name,
                        "image": f"registry.k8s.io/{name}:{self.peer.version}-0",
                        "command": command,
                        "volumeMounts": [{"name": f"v{i}", "mountPath": inside} for i, inside in enumerate(mounts)],
                    }
                ],
                "volumes": [
                    {"name": f"v{i}", "hostPath": {"path": outside}} for i, outside in enumerate(mounts.values())
                ],
            },
        }
        path = self.manifests / f"{name}.yaml"
        path.write_text(yaml.safe_dump(pod))
        path.chmod(0o600)

    def give_api_server(self, *flags: str) -> None:
        """Run the API server anew with these flags besides its own, and wait until the old one is gone."""
        name = "kube-apiserver"
        (self.manifests / f"{name}.yaml").unlink()
        self.wait_for(lambda: self.kubelet.process(name) is None, "the API server does not end")
        self.write_manifest(name, [*self._commands()[name], *flags])

    def etcd_command(self, *extra: str) -> list[str]:
        """What kubeadm writes into etcd's manifest."""
        client, between = f"https://127.0.0.1:{self.ports.client}", f"http://127.0.0.1:{self.ports.peer}"
        return [
            "etcd",
            f"--name={MEMBER_NAME}",
            f"--data-dir={DATA}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={between}",
            f"--initial-advertise-peer-urls={between}",
            f"--initial-cluster={MEMBER_NAME}={between}",
            f"--cert-file={PKI}/etcd/server.crt",
            f"--key-file={PKI}/etcd/server.key",
            f"--trusted-ca-file={PKI}/etcd/ca.crt",
            "--client-cert-auth=true",
            "--snapshot-count=10000",
            "--logger=zap",
            *extra,
        ]

    def __enter__(self) -> Self:
        self._kubelet = StandInKubelet(self.root, self._programs())
        if not self._starts:
            self._kubelet.pause()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kubelet.close()

    def _commands(self) -> dict[str, list[str]]:
        return {
            "etcd": self.etcd_command(),
            "kube-apiserver": [
                "kube-apiserver",
                f"--etcd-servers={self.endpoint}",
                f"--etcd-cafile={PKI}/etcd/ca.crt",
                f"--etcd-certfile={PKI}/apiserver-etcd-client.crt",
                f"--etcd-keyfile={PKI}/apiserver-etcd-client.key",
                f"--secure-port={self.ports.api_server}",
                f"--tls-cert-file={PKI}/apiserver.crt",
                f"--tls-private-key-file={PKI}/apiserver.key",
                *(self._real_flags() if self._real_api_server is not None else ()),
            ],
            "kube-controller-manager": [
                "kube-controller-manager",
                f"--root-ca-file={PKI}/ca.crt",
                *(self._controllers_flags() if self._real_controllers is not None else ()),
            ],
            "kube-scheduler": ["kube-scheduler", f"--kubeconfig={PKI}/scheduler.conf"],
        }

    def _programs(self) -> dict[str, list[str]]:
        """Programs below the root, under the names that the real ones have: recover knows processes by them."""
        place = self.root / "usr/local/bin"
        place.mkdir(parents=True, exist_ok=True)
        (place / "etcd").symlink_to(self.peer.etcd)
        programs = {"etcd": [str(place / "etcd")]}
        script = self.root / "kube-apiserver.py"
        script.write_text(_API_SERVER)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            (place / name).symlink_to(Path(sys.executable).resolve())
            own = [str(script)] if name == "kube-apiserver" else ["-c", _IDLE]
            programs[name] = [str(place / name), "-I", "-S", *own]
        if self._real_api_server is not None:
            (place / "kube-apiserver").unlink()
            (place / "kube-apiserver").symlink_to(self._real_api_server)
            programs["kube-apiserver"] = [str(place / "kube-apiserver")]
        if self._real_controllers is not None:
            programs["kube-controller-manager"] = [str(self._real_controllers)]
        if self._store:
            programs["etcd"] = self._store
        return programs

    def _real_flags(self) -> list[str]:
        """What a real API server must be told besides."""
        return [
            "--bind-address=127.0.0.1",
            "--advertise-address=192.0.2.10",  # it refuses loopback; nothing ever connects to this one
            f"--client-ca-file={PKI}/ca.crt",
            f"--token-auth-file={PKI}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={PKI}/sa.key",
            f"--service-account-signing-key-file={PKI}/sa.key",
            *self._api_server_flags,
        ]

    def _controllers_flags(self) -> list[str]:
        """What the real controllers must be told besides."""
        return [
            f"--kubeconfig={PKI}/administrator.conf",
            f"--authentication-kubeconfig={PKI}/administrator.conf",
            f"--authorization-kubeconfig={PKI}/administrator.conf",
            f"--service-account-private-key-file={PKI}/sa.key",
            f"--cluster-signing-cert-file={PKI}/ca.crt",
            f"--cluster-signing-key-file={PKI}/ca.key",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.ports.controllers}",
            "--controllers=*",
        ]

    def _kubeconfig(self) -> str:
        """An administrator's access to the API server, for the controllers and kubectl."""
        name = "here"
        server = {
            "server": f"https://127.0.0.1:{self.ports.api_server}",
            "certificate-authority": str(self.path(PKI) / "ca.crt"),
        }
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": name, "cluster": server}],
                "users": [{"name": name, "user": {"token": ADMINISTRATOR_TOKEN}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
                "current-context": name,
            }
        )

    def _write_certificates(self) -> None:
        authority = trustme.CA()
        pki = self.path(PKI)
        (pki / "etcd").mkdir(parents=True)
        authority.cert_pem.write_to_path(str(pki / "etcd/ca.crt"))
        authority.cert_pem.write_to_path(str(pki / "ca.crt"))
        for name in ("etcd/server", "etcd/healthcheck-client", "apiserver-etcd-client", "apiserver"):
            certificate = authority.issue_cert("127.0.0.1", "localhost", common_name=name.replace("/", "-"))
            (pki / f"{name}.crt").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
            certificate.private_key_pem.write_to_path(str(pki / f"{name}.key"))
            (pki / f"{name}.key").chmod(0o600)
        if self._real_api_server is not None:
            authority.issue_cert("service-accounts.invalid").private_key_pem.write_to_path(str(pki / "sa.key"))
            (pki / "tokens.csv").write_text(f'{ADMINISTRATOR_TOKEN},administrator,1,"system:masters"\n')
            (pki / "administrator.conf").write_text(self._kubeconfig())
            authority.private_key_pem.write_to_path(str(pki / "ca.key"))
            for secret in ("sa.key", "tokens.csv", "administrator.conf", "ca.key"):
                (pki / secret).chmod(0o600)
