"""Promise P21: after a restore no key is immortal that was not so before, and no live key vanishes early.

TTLs and times left, the keys of API servers (`masterleases`), and a lease that keys are attached to and the source lost,
restored in each way that leases can be, and asked of the server that starts on it: the embedded one, and real etcd.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.etcd import Client, ConnectionOptions
from backstay.formats import mvcc, schema
from backstay.formats.bbolt import build
from backstay.formats.mvcc import KeyValue, RevisionKey
from backstay.formats.schema import Lease
from backstay.snapshot.restore import Changes, LeaseTreatment
from backstay.snapshot.restore.plan import MISSING_LEASE_SECONDS
from backstay.testing import Etcd
from backstay.values import LeaseId
from tests.conftest import StartEtcd
from tests.peers import Peer
from tests.restoring import Restored, restore_one

SHORT, LONG, PARTLY, LOST, EMPTY = 0x11, 0x12, 0x13, 0x14, 0x7FFF000000000015
LEASES = (
    Lease(LeaseId(SHORT), 15),
    Lease(LeaseId(LONG), 3600),
    Lease(LeaseId(PARTLY), 600, 30),
    Lease(LeaseId(EMPTY), 60),
)
KEYS = {
    b"/registry/masterleases/10.0.0.1": SHORT,
    b"/registry/events/default/a": LONG,
    b"/registry/events/default/b": PARTLY,
    b"/registry/events/default/c": LOST,
    b"/registry/pods/default/web": 0,
}
LEASED = {key: lease for key, lease in KEYS.items() if lease}


def source(directory: Path) -> Path:
    """A database; the last record frees a key that was attached before."""
    records = []
    for main, (key, lease) in enumerate([*KEYS.items(), (b"freed", LONG)], 2):
        records.append((RevisionKey(main, 0), KeyValue(key, main, main, 1, b"v", lease)))
    last = len(records) + 2
    records.append((RevisionKey(last, 0), KeyValue(b"freed", last - 1, last, 2, b"v", 0)))
    items = {
        schema.KEY: [(mvcc.encode_revision(key), mvcc.encode_key_value(item)) for key, item in records],
        schema.LEASE: sorted(schema.encode_lease(each) for each in LEASES),
        schema.META: [(schema.CONSISTENT_INDEX, schema.encode_u64(9))],
    }
    pages: list[bytes] = []
    built = build(((name, items.get(name, [])) for name in schema.BUCKETS), pages.extend)
    path = directory / "db"
    path.write_bytes(built.meta_pages + b"".join(pages))
    return path


def restored(directory: Path, treatment: LeaseTreatment, bump: int) -> Restored:
    changes = Changes(bump=bump, leases=treatment)
    return restore_one(source(directory), directory / "data", changes, skip_hash_check=True)


def hold(client: Client, made: Restored, treatment: LeaseTreatment, bump: int) -> None:
    """What must be true of a server that started on the directory."""
    answer = client.maintenance.hash_kv()
    assert (answer.hash, answer.revision) == (made.result.hash, made.plan.revision_after)
    kept = {item.key: item.lease for item in client.kv.range(b"\0", range_end=b"\0").items}
    leases = set(client.lease.leases())
    if treatment is LeaseTreatment.DROP:
        assert kept == {**dict.fromkeys(KEYS, 0), b"freed": 0}
        assert not leases
    elif treatment is LeaseTreatment.DROP_KEYS:
        assert kept == {b"/registry/pods/default/web": 0, b"freed": 0}
        assert not leases
        assert made.plan.revision_after == made.plan.revision_before + 1 + bump
    else:
        assert kept == {**KEYS, b"freed": 0}
        assert leases == {each.id for each in LEASES} | {LOST}
        for lease in (*LEASES, Lease(LeaseId(LOST), MISSING_LEASE_SECONDS)):
            told = client.lease.time_to_live(lease.id, keys=True)
            assert told.granted_ttl_seconds == lease.ttl
            left = lease.ttl if treatment is LeaseTreatment.REFRESH or not lease.remaining_ttl else lease.remaining_ttl
            assert told.ttl_seconds >= left - 5
            assert set(told.keys) == {key for key, id in KEYS.items() if id == lease.id}
        client.lease.revoke(LOST)  # as when its time is over: the key goes with it
        assert client.kv.get(b"/registry/events/default/c") is None


@pytest.mark.parametrize("bump", [0, 1, 1_000_000_000])
@pytest.mark.parametrize("treatment", LeaseTreatment, ids=lambda each: each.value)
def test_every_key_ends_when_it_should_on_the_embedded_store(
    treatment: LeaseTreatment, bump: int, tmp_path: Path
) -> None:
    made = restored(tmp_path, treatment, bump)
    with Etcd(tmp_path / "data", in_process=True) as etcd, etcd.client() as client:
        hold(client, made, treatment, bump)


@pytest.mark.parametrize("treatment", LeaseTreatment, ids=lambda each: each.value)
def test_every_key_ends_when_it_should_on_real_etcd(
    treatment: LeaseTreatment, newest_peer: Peer, start_etcd: StartEtcd, tmp_path: Path
) -> None:
    made = restored(tmp_path, treatment, 7)
    with Client(ConnectionOptions.of([start_etcd(newest_peer, tmp_path / "data").endpoint])) as client:
        hold(client, made, treatment, 7)


def test_the_plan_names_what_happens_to_leases(tmp_path: Path) -> None:
    for treatment, words in (
        (LeaseTreatment.KEEP, "that the source lost"),
        (LeaseTreatment.REFRESH, "4 leases refreshed"),
        (LeaseTreatment.DROP, "4 leases dropped"),
        (LeaseTreatment.DROP_KEYS, "are deleted at revision"),
    ):
        own = tmp_path / treatment.value
        own.mkdir()
        assert any(words in change for change in restored(own, treatment, 0).plan.changes), treatment
