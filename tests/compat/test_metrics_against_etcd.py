"""/metrics: what dashboards for etcd look for is there, with etcd's types and labels."""

from __future__ import annotations

import re
import urllib.request

from tests.conftest import StartEtcd
from tests.etcd_process import EtcdProcess
from tests.peers import Peer

OTHERS = re.compile(
    r"go_|promhttp_|process_network_|process_virtual_memory_max"  # Go's own runtime and its libraries
    r"|etcd_grpc_proxy_|etcd_debugging_store_"  # another program of etcd's; the store of API version 2
    r"|etcd_server_go_version|etcd_server_feature_enabled"  # not Go, no gates
    r"|etcd_server_apply_duration_seconds|etcd_server_request_duration_seconds|etcd_server_range_duration_seconds"
)
"""What is not here. The last line could be, by request."""


def test_every_metric_has_etcds_name_type_and_labels(
    newest_peer: Peer, start_etcd: StartEtcd, start_backstay: StartEtcd
) -> None:
    etcd, backstay = start_etcd(newest_peer), start_backstay(newest_peer)
    expected, shown = _families(_page(etcd)), _families(_page(backstay))
    missing = {name for name in expected if name not in shown and not OTHERS.match(name)}
    assert not missing
    different = {name: (expected[name], shown[name]) for name in shown if name in expected}
    assert {name: pair for name, pair in different.items() if pair[0] != pair[1]} == {}


def test_writes_are_counted_where_dashboards_look(newest_peer: Peer, start_backstay: StartEtcd) -> None:
    server = start_backstay(newest_peer, extra_args=("--metrics=extensive",))
    before = _numbers(_page(server))
    for number in range(3):
        server.etcdctl("put", f"key-{number}", "value")
    after = _numbers(_page(server))
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    put = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"'
    for name, at_least in {
        "etcd_mvcc_put_total": 3,
        "etcd_debugging_mvcc_keys_total": 3,
        "etcd_debugging_mvcc_current_revision": 3,
        "etcd_server_proposals_applied_total": 3,
        "etcd_server_proposals_committed_total": 3,
        "etcd_disk_wal_fsync_duration_seconds_count": 1,
        "etcd_disk_wal_write_bytes_total": 100,
        "etcd_network_client_grpc_received_bytes_total": 30,
        "etcd_network_client_grpc_sent_bytes_total": 30,
        f"grpc_server_started_total{{{put}}}": 3,
        f"grpc_server_handling_seconds_count{{{put}}}": 3,
        'etcd_server_client_requests_total{client_api_version="3.7",type="unary"}': 3,
        f'grpc_server_handled_total{{grpc_code="OK",{put}}}': 3,
    }.items():
        assert grown.get(name, 0) >= at_least, name
    assert after["etcd_server_has_leader"] == 1


def _page(server: EtcdProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/metrics", timeout=20) as response:
        return str(response.read().decode())


def _families(page: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Type and names of labels by metric; bounds of histograms as labels of that value."""
    types = dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE"))
    labels: dict[str, set[str]] = {name: set() for name in types}
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        name = line.split("{")[0].split(" ")[0]
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        for key, value in re.findall(r'(\w+)="([^"]*)"', line):
            labels[family].add(f"le={value}" if key == "le" else key)
    return {name: (types[name], frozenset(labels[name])) for name in types}


def _numbers(page: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
