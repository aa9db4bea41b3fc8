"""Discovery over scratch roots: each way of running etcd is found, understood, and chosen by rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from backstay import errors
from backstay.etcd.discovery import Discovery, HostFiles, Installation, InstallationKind, discover
from backstay.etcd.discovery import flags as etcd_flags
from backstay.etcd.discovery.host_files import Presence
from backstay.findings import Severity

MANIFEST = """\
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.10:2379
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.10:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --initial-cluster=one=https://10.0.0.10:2380,two=https://10.0.0.11:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.10:2379
    - --name=one
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.5.15-0
    name: etcd
    volumeMounts:
    - {mountPath: /var/lib/etcd, name: etcd-data}
    - {mountPath: /etc/kubernetes/pki/etcd, name: etcd-certs}
  volumes:
  - hostPath: {path: /etc/kubernetes/pki/etcd, type: DirectoryOrCreate}
    name: etcd-certs
  - hostPath: {path: /var/lib/etcd, type: DirectoryOrCreate}
    name: etcd-data
"""
MANIFEST_PATH = "etc/kubernetes/manifests/etcd.yaml"
PKI = "etc/kubernetes/pki"
KUBEADM_CERTIFICATES = (f"{PKI}/etcd/ca.crt", f"{PKI}/etcd/server.crt", f"{PKI}/etcd/server.key")
HEALTHCHECK = (f"{PKI}/etcd/healthcheck-client.crt", f"{PKI}/etcd/healthcheck-client.key")
UNIT = "etc/systemd/system/etcd.service"


class Host:
    """A scratch root, filled piece by piece."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str] | None = None, *paths: str) -> Host:
        for name, text in {**(files or {}), **dict.fromkeys(paths, "x")}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self

    def directory(self, name: str) -> Host:
        (self.root / name).mkdir(parents=True)
        return self

    def kubeadm(self, manifest: str = MANIFEST) -> Host:
        return self.write({MANIFEST_PATH: manifest}, *KUBEADM_CERTIFICATES, *HEALTHCHECK).directory("var/lib/etcd")

    def find(self) -> Discovery:
        return discover(self.root)

    def chosen(self) -> Installation:
        found = self.find()
        assert found.chosen is not None, found
        return found.chosen

    def path(self, name: str) -> str:
        return str(self.root / name)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_empty_host_has_nothing_and_says_where_it_was_looked(host: Host) -> None:
    found = host.find()
    assert (found.found, found.chosen, found.findings) == ((), None, ())
    assert "/etc/kubernetes/manifests/etcd.yaml" in found.looked_at
    assert found.reasons == ("no etcd was found in the usual places of this host",)


def test_a_kubeadm_manifest_tells_everything(host: Host) -> None:
    found = host.kubeadm().find()
    chosen = found.chosen
    assert chosen is not None
    assert found.found == (chosen,)
    assert chosen.kind is InstallationKind.STATIC_POD
    assert (chosen.name, chosen.version) == ("one", "3.5.15")
    assert chosen.endpoint == "https://127.0.0.1:2379"
    assert chosen.client_urls == ("https://127.0.0.1:2379", "https://10.0.0.10:2379")
    assert chosen.data_dir == host.root / "var/lib/etcd"
    assert chosen.manifest == host.root / MANIFEST_PATH
    assert chosen.credentials.cacert == host.path(f"{PKI}/etcd/ca.crt")
    assert (chosen.credentials.cert, chosen.credentials.key) == tuple(host.path(path) for path in HEALTHCHECK)
    assert chosen.flags["initial-cluster"].startswith("one=https://10.0.0.10:2380")
    assert chosen.problem is None
    assert any("https://127.0.0.1:2379" in reason for reason in found.reasons)


def test_the_mounts_of_a_manifest_say_where_its_data_is_on_the_host(host: Host) -> None:
    host.directory("var/lib/etcd-restored")
    moved = MANIFEST.replace("hostPath: {path: /var/lib/etcd,", "hostPath: {path: /var/lib/etcd-restored,")
    assert host.kubeadm(moved).chosen().data_dir == host.root / "var/lib/etcd-restored"


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (("apiserver-etcd-client",), "apiserver-etcd-client"),
        (("etcd/peer",), "etcd/server"),
        (("apiserver-etcd-client", "etcd/healthcheck-client"), "etcd/healthcheck-client"),
    ],
)
def test_the_best_client_certificate_is_taken(host: Host, present: tuple[str, ...], wanted: str) -> None:
    files = [f"{PKI}/{name}.{ending}" for name in present for ending in ("crt", "key")]
    host.write({MANIFEST_PATH: MANIFEST}, *KUBEADM_CERTIFICATES, *files)
    assert host.chosen().credentials.cert == host.path(f"{PKI}/{wanted}.crt")


def test_without_its_manifest_kubeadms_files_are_enough(host: Host) -> None:
    chosen = host.write(None, *KUBEADM_CERTIFICATES, *HEALTHCHECK).directory("var/lib/etcd").chosen()
    assert chosen.kind is InstallationKind.KUBEADM_FILES
    assert chosen.endpoint == "https://127.0.0.1:2379"
    assert chosen.credentials.cert == host.path(HEALTHCHECK[0])


@pytest.mark.parametrize(
    "text",
    ["kind: [", "", "- a\n- b", "kind: Service", "kind: Pod", "kind: Pod\nspec: {containers: 3}", "kind: Pod\nspec: 7",
     "kind: Pod\nspec: {containers: [{name: etcd}]}", "kind: Pod\nspec: {containers: [{command: [sleep, '1']}]}",
     "[" * 5000, "\x00", "a: &a [*a]\nkind: Pod"],
)  # fmt: skip
def test_a_manifest_that_cannot_be_understood_is_a_finding_and_the_search_goes_on(host: Host, text: str) -> None:
    found = host.kubeadm(text).find()
    assert [finding.code for finding in found.findings] == ["installation-unreadable"]
    assert found.findings[0].severity is Severity.WARNING
    assert found.findings[0].subject == host.path(MANIFEST_PATH)
    assert found.findings[0].evidence
    assert found.chosen is not None
    assert found.chosen.kind is InstallationKind.KUBEADM_FILES
    assert any("passed over" in reason for reason in found.reasons)


def test_a_manifest_of_many_megabytes_or_of_no_text_is_a_finding(host: Host) -> None:
    host.kubeadm("#" * (2 << 20))
    assert "bytes" in host.find().findings[0].evidence
    (host.root / MANIFEST_PATH).write_bytes(b"\xff\xfe\x00")
    assert host.find().findings


@pytest.mark.parametrize(("name", "kind"), [("k3s", InstallationKind.K3S), ("rke2", InstallationKind.RKE2)])
def test_k3s_and_rke2_are_found_by_their_directories(host: Host, name: str, kind: InstallationKind) -> None:
    tls = f"var/lib/rancher/{name}/server/tls/etcd"
    host.write(None, f"{tls}/server-ca.crt", f"{tls}/client.crt", f"{tls}/client.key")
    chosen = host.directory(f"var/lib/rancher/{name}/server/db/etcd").chosen()
    assert chosen.kind is kind
    assert chosen.endpoint == "https://127.0.0.1:2379"
    assert chosen.data_dir == host.root / f"var/lib/rancher/{name}/server/db/etcd"
    assert chosen.credentials.cacert == host.path(f"{tls}/server-ca.crt")
    assert chosen.credentials.key == host.path(f"{tls}/client.key")


def test_rke2s_static_pod_is_read_through_its_settings_file(host: Host) -> None:
    server = "/var/lib/rancher/rke2/server"
    manifest = (
        "kind: Pod\nspec:\n  containers:\n  - name: etcd\n    image: index.docker.io/rancher/hardened-etcd:v3.5.21-k3s1\n"
        f"    command: [etcd, --config-file={server}/db/etcd/config]\n"
        f"    volumeMounts: [{{mountPath: {server}/db/etcd, name: dir0}}, {{mountPath: {server}/tls/etcd, name: dir1}}]\n"
        f"  volumes: [{{name: dir0, hostPath: {{path: {server}/db/etcd}}}},"
        f" {{name: dir1, hostPath: {{path: {server}/tls/etcd}}}}]\n"
    )
    settings = (
        f"name: node-1\ndata-dir: {server}/db/etcd\nlisten-client-urls: https://127.0.0.1:2379,https://10.1.1.1:2379\n"
        "advertise-client-urls: https://10.1.1.1:2379\nclient-transport-security:\n  client-cert-auth: true\n"
        f"  cert-file: {server}/tls/etcd/server-client.crt\n  key-file: {server}/tls/etcd/server-client.key\n"
        f"  trusted-ca-file: {server}/tls/etcd/server-ca.crt\nsnapshot-count: 10000\n"
    )
    tls = f"{server[1:]}/tls/etcd"
    host.write(
        {"var/lib/rancher/rke2/agent/pod-manifests/etcd.yaml": manifest, f"{server[1:]}/db/etcd/config": settings},
        *(
            f"{tls}/{name}"
            for name in ("server-ca.crt", "server-client.crt", "server-client.key", "client.crt", "client.key")
        ),
    )
    found = host.find()
    assert [each.kind for each in found.found] == [InstallationKind.RKE2]
    chosen = found.found[0]
    assert (chosen.name, chosen.version, chosen.flags["snapshot-count"]) == ("node-1", "3.5.21", "10000")
    assert chosen.flags["client-cert-auth"] == "true"
    assert chosen.credentials.cert == host.path(f"{tls}/client.crt")


def test_a_unit_with_flags_a_drop_in_and_environment_files(host: Host) -> None:
    unit = """\
[Unit]
Description=etcd
[Service]
Type=notify
Environment=ETCD_NAME=%H "ETCD_DATA_DIR=/srv/etcd data"
EnvironmentFile=-/etc/default/%p
EnvironmentFile=-/etc/absent
ExecStart=/usr/bin/etcd \\
    --listen-client-urls http://127.0.0.1:2379 \\
    --advertise-client-urls=${URL} -logger zap
[Install]
ExecStart=/bin/false
"""
    host.write(
        {
            "lib/systemd/system/etcd.service": unit,
            "lib/systemd/system/etcd.service.d/10.conf": "[Service]\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=8589934592\n",
            "etc/default/etcd": "# settings\nexport URL='http://10.9.9.9:2379'\nETCD_NAME=\"named\"\n",
            "etc/hostname": "machine\n",
        }
    )
    found = host.find()
    chosen = host.chosen()
    assert [each.kind for each in found.found] == [InstallationKind.SYSTEMD]
    assert (chosen.name, chosen.endpoint) == ("named", "http://127.0.0.1:2379")
    assert chosen.data_dir == host.root / "srv/etcd data"
    assert chosen.client_urls == ("http://127.0.0.1:2379", "http://10.9.9.9:2379")
    assert (chosen.flags["quota-backend-bytes"], chosen.flags["logger"]) == ("8589934592", "zap")
    assert chosen.credentials.cert == ""


def test_a_unit_with_a_shell_around_etcd(host: Host) -> None:
    command = '/bin/bash -c "GOMAXPROCS=2 exec /usr/local/bin/etcd --name=\\"${ETCD_NAME}\\" --data-dir=/data/etcd"'
    host.write({UNIT: f"[Service]\nEnvironment=ETCD_NAME=shelled\nExecStart=-{command}\n"})
    chosen = host.chosen()
    assert (chosen.name, chosen.data_dir) == ("shelled", host.root / "data/etcd")


def test_a_unit_with_a_settings_file_in_yaml(host: Host) -> None:
    settings = (
        "name: yaml\ndata-dir: /data\nlisten-client-urls: https://0.0.0.0:2379\n"
        "advertise-client-urls: https://etcd.example:2379\n"
        "client-transport-security: {cert-file: /tls/server.pem, key-file: /tls/server-key.pem}\n"
    )
    host.write(
        {UNIT: "[Service]\nExecStart=/usr/bin/etcd --config-file /etc/etcd/my.yaml\n", "etc/etcd/my.yaml": settings},
        "tls/server.pem", "tls/server-key.pem", "tls/ca.crt",
    )  # fmt: skip
    chosen = host.chosen()
    assert chosen.client_urls == ("https://etcd.example:2379", "https://127.0.0.1:2379")
    assert chosen.credentials.cacert == host.path("tls/ca.crt")
    assert chosen.credentials.cert == host.path("tls/server.pem")


def test_a_settings_file_alone_gives_etcd_and_the_clients_certificate_away(host: Host) -> None:
    settings = (
        "ETCD_DATA_DIR=/var/lib/etcd\nETCD_NAME=etcd1\nETCD_LISTEN_CLIENT_URLS=https://10.2.0.1:2379,https://127.0.0.1:2379\n"
        "ETCD_TRUSTED_CA_FILE=/etc/ssl/etcd/ssl/ca.pem\nETCD_CERT_FILE=/etc/ssl/etcd/ssl/member-etcd1.pem\n"
        "ETCD_KEY_FILE=/etc/ssl/etcd/ssl/member-etcd1-key.pem\nETCDCTL_CERT=/etc/ssl/etcd/ssl/admin-etcd1.pem\n"
        "ETCDCTL_KEY=/etc/ssl/etcd/ssl/admin-etcd1-key.pem\n"
    )
    names = ("ca.pem", "member-etcd1.pem", "member-etcd1-key.pem", "admin-etcd1.pem", "admin-etcd1-key.pem")
    chosen = host.write({"etc/etcd.env": settings}, *(f"etc/ssl/etcd/ssl/{name}" for name in names)).chosen()
    assert chosen.kind is InstallationKind.SETTINGS_FILE
    assert chosen.endpoint == "https://127.0.0.1:2379"
    assert chosen.credentials.cert == host.path("etc/ssl/etcd/ssl/admin-etcd1.pem")


@pytest.mark.parametrize(
    "unit",
    ["", "[Service]\nExecStart=\n", "[Service]\nExecStart=/usr/bin/sleep 1\n", "[Service]\nExecStart=/usr/bin/etcd 'x\n",
     "[Service]\nEnvironmentFile=/etc/absent\nExecStart=/usr/bin/etcd\n",
     "[Service]\nExecStart=/usr/bin/etcd --config-file=/etc/absent\n"],
)  # fmt: skip
def test_a_unit_that_cannot_be_understood_is_a_finding(host: Host, unit: str) -> None:
    found = host.write({UNIT: unit}).find()
    assert [finding.subject for finding in found.findings] == [host.path(UNIT)]
    assert found.chosen is None


def test_the_api_servers_manifest_names_an_external_etcd(host: Host) -> None:
    manifest = (
        "kind: Pod\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n"
        "    - --etcd-servers=https://10.3.0.1:2379,https://10.3.0.2:2379\n    - --etcd-cafile=/pki/ca.crt\n"
        "    - --etcd-certfile=/pki/client.crt\n    - --etcd-keyfile=/pki/client.key\n    - --v=2\n"
    )
    host.write(
        {"etc/kubernetes/manifests/kube-apiserver.yaml": manifest}, "pki/ca.crt", "pki/client.crt", "pki/client.key"
    )
    chosen = host.chosen()
    assert chosen.kind is InstallationKind.EXTERNAL
    assert chosen.client_urls == ("https://10.3.0.1:2379", "https://10.3.0.2:2379")
    assert chosen.data_dir is None
    assert chosen.credentials.key == host.path("pki/client.key")
    assert set(chosen.flags) == {"etcd-servers", "etcd-cafile", "etcd-certfile", "etcd-keyfile"}


def test_of_two_installations_the_kind_decides_and_both_are_told(host: Host) -> None:
    host.kubeadm().write({UNIT: "[Service]\nExecStart=/usr/bin/etcd --data-dir=/srv/etcd\n"}).directory("srv/etcd")
    found = host.find()
    assert [each.kind for each in found.found] == [InstallationKind.STATIC_POD, InstallationKind.SYSTEMD]
    assert found.chosen is found.found[0]
    assert any("also found and not used: systemd unit" in reason for reason in found.reasons)


def test_of_two_installations_the_one_with_a_data_directory_comes_first(host: Host) -> None:
    host.write({MANIFEST_PATH: MANIFEST, UNIT: "[Service]\nExecStart=/usr/bin/etcd --data-dir=/srv/etcd\n"})
    found = host.directory("srv/etcd").find()
    assert found.chosen is not None
    assert found.chosen.kind is InstallationKind.SYSTEMD
    assert any("its data directory is not there" in reason for reason in found.reasons)


def test_paths_cannot_leave_the_root(host: Host) -> None:
    climbing = MANIFEST.replace("path: /var/lib/etcd,", "path: /../../../var/lib/../lib/etcd,")
    assert host.kubeadm(climbing).chosen().data_dir == host.root / "var/lib/etcd"
    assert HostFiles(host.root).path("../../x") == host.root / "x"


class Unprivileged(HostFiles):
    """A host on which this user may not open keys, and may not even look into some directories."""

    def __init__(self, root: Path, *closed: str) -> None:
        super().__init__(root)
        self.closed = closed

    def presence(self, host_path: str) -> Presence:
        is_closed = any(host_path.startswith(place) for place in self.closed)
        return Presence.FORBIDDEN if is_closed else super().presence(host_path)

    def why_unreadable(self, host_path: str) -> OSError | None:
        if host_path.endswith(".key") or any(host_path.startswith(place) for place in self.closed):
            return PermissionError(13, "Permission denied", host_path)
        return super().why_unreadable(host_path)


def test_an_unreadable_key_is_a_problem_that_says_sudo_or_the_group(host: Host) -> None:
    host.kubeadm()
    chosen = discover(files=Unprivileged(host.root)).chosen
    assert chosen is not None
    assert chosen.problem is not None
    assert chosen.problem.kind is errors.CREDENTIALS_UNREADABLE
    assert chosen.problem.where == host.path(HEALTHCHECK[1])
    assert "sudo" in chosen.problem.next_step
    assert "group" in chosen.problem.next_step or not (host.root / HEALTHCHECK[1]).stat().st_mode & 0o040


def test_a_directory_that_may_not_be_entered_counts_as_found(host: Host) -> None:
    chosen = discover(files=Unprivileged(host.root, "/var/lib/rancher/k3s/server")).chosen
    assert chosen is not None
    assert chosen.kind is InstallationKind.K3S
    assert chosen.problem is not None
    assert "sudo" in chosen.problem.next_step


def test_a_pair_that_can_be_read_is_preferred_to_a_better_one_that_cannot(host: Host) -> None:
    host.kubeadm().write(None, f"{PKI}/apiserver-etcd-client.crt", f"{PKI}/apiserver-etcd-client.key")

    class WithoutHealthcheck(Unprivileged):
        def why_unreadable(self, host_path: str) -> OSError | None:
            return PermissionError(13, "Permission denied") if "healthcheck" in host_path else None

    chosen = discover(files=WithoutHealthcheck(host.root)).chosen
    assert chosen is not None
    assert chosen.problem is None
    assert chosen.credentials.cert == host.path(f"{PKI}/apiserver-etcd-client.crt")


@pytest.mark.parametrize(
    ("listen", "advertise", "wanted"),
    [
        ("", "", ("http://127.0.0.1:2379",)),
        ("http://localhost:2379", "http://10.0.0.1:2379", ("http://localhost:2379", "http://10.0.0.1:2379")),
        ("https://10.0.0.1:2379", "https://a.example:2379", ("https://10.0.0.1:2379", "https://a.example:2379")),
        ("http://0.0.0.0:4001", "", ("http://127.0.0.1:4001",)),
        ("http://[::]:2379", "http://0.0.0.0:2379", ("http://127.0.0.1:2379",)),
        ("unix:///run/etcd.sock,http://10.0.0.1:1", "", ("http://10.0.0.1:1", "unix:///run/etcd.sock")),
        ("http://127.0.0.1:2379/, ,http://127.0.0.1:2379", "", ("http://127.0.0.1:2379",)),
        ("http://[", "", ("http://127.0.0.1:2379",)),
    ],
)
def test_the_address_for_this_host_comes_first(listen: str, advertise: str, wanted: tuple[str, ...]) -> None:
    settings = {"listen-client-urls": listen, "advertise-client-urls": advertise}
    assert etcd_flags.client_urls({name: value for name, value in settings.items() if value}) == wanted
