"""Random histories on a real etcd, and the comparison of everything it then has with the model and with backstay."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.etcd import Client, Compare, ConnectionOptions, Operation
from backstay.formats import mvcc
from backstay.formats.bbolt import check_structure, open_database
from backstay.formats.crc32c import crc32c, extend
from backstay.formats.hashkv import HashKV, hash_kv, rule_of
from backstay.formats.survey import KeyspaceSurvey
from backstay.store.compaction import surviving_records
from backstay.values import Revision
from tests.etcd_process import EtcdProcess
from tests.model.etcd_model import EtcdModel
from tests.model.steps import Check, Compact, DeleteRange, Grant, Put, RandomHistory, Range, Revoke, Step, Txn
from tests.unit.formats import databases

COMPARE = {
    "version": Compare.version,
    "create": Compare.create_revision,
    "mod": Compare.mod_revision,
    "lease": Compare.lease,
}


@dataclass(slots=True)
class Comparison:
    """How much was compared."""

    rounds: int = 0
    hashes: int = 0
    records: int = 0


def run_history(etcd: EtcdProcess, seed: int, rounds: int, *, restart_after: int | None = None) -> Comparison:
    """Write a history of so many rounds to an empty etcd and compare after each. A failure names the seed and the round."""
    rule = rule_of(etcd.peer.version)
    model = EtcdModel(keeps_tombstone=rule.skips_tombstone_at_compaction)
    history = RandomHistory(seed)
    done = Comparison()
    cached: HashKV | None = None
    for number in range(rounds):
        where = f"etcd {etcd.peer.version}, seed {seed}, round {number}"
        with Client(ConnectionOptions.of([etcd.endpoint])) as client:
            for _ in range(history.round_length()):
                take(history.next(model), model, client, where)
            if compaction := history.compaction(model):
                cached = predict_cached_hash(model, compaction.revision)
                before = list(model.records)
                take(compaction, model, client, where)
                ours = list(surviving_records(before, Revision(compaction.revision), rule))
                assert ours == model.records, f"{where}: survivors of compaction {compaction.revision}"
            compare(client, model, etcd.peer.version, cached, done, where)
        if number == restart_after:
            etcd.kill()
            etcd.start()
        done.rounds += 1
    return done


def take(step: Step, model: EtcdModel, client: Client, where: str) -> None:
    """One step on both; the answers must agree."""
    expected = model.apply(step)
    answer, revision = perform(step, client)
    assert (answer, revision) == (expected, model.revision), f"{where}: {step}"


def perform(step: Step, client: Client) -> tuple[object, int]:
    """One step on the server: its answer as the model gives it, and the revision after it."""
    match step:
        case Put():
            put = client.kv.put(
                step.key, step.value, lease=step.lease, ignore_value=step.keep_value, ignore_lease=step.keep_lease
            )
            return None, put.header.revision
        case DeleteRange():
            deleted = client.kv.delete_range(step.key, range_end=step.end)
            return deleted.deleted, deleted.header.revision
        case Txn():
            txn = client.kv.txn(
                tuple(map(comparison, step.checks)),
                tuple(map(operation, step.then)),
                tuple(map(operation, step.otherwise)),
            )
            return txn.succeeded, txn.header.revision
        case Grant():
            return None, client.lease.grant(step.seconds, lease_id=step.lease).header.revision
        case Revoke():
            return None, client.lease.revoke(step.lease).revision
        case Compact():
            return None, client.kv.compact(step.revision, physical=True).revision
        case Range():
            return None, client.kv.range(step.key).header.revision


def comparison(check: Check) -> Compare:
    """The check as the client takes it."""
    return COMPARE[check.target](check.key, check.sign, check.number)


def operation(step: Put | DeleteRange | Range) -> Operation:
    """The operation as the client takes it."""
    match step:
        case Put():
            return Operation.put(step.key, step.value, lease=step.lease)
        case DeleteRange():
            return Operation.delete_range(step.key, range_end=step.end)
        case Range():
            return Operation.range(step.key)


def predict_cached_hash(model: EtcdModel, revision: int) -> HashKV:
    """What a release from 3.5.5 on remembers of a compaction: the hash of before, with the compact revision of before.

    It is `hash_kv` of the store before the compaction, but for one case that seed 116 found: the records to keep are those
    that the compaction keeps, a tombstone at `revision` included. Where nothing else is alive, that tombstone makes the
    difference between "keep these" and "keep everything".
    """
    newest = {record.item.key: record for record in model.records if record.revision.main <= revision}
    keep = [
        record
        for record in newest.values()
        if not record.revision.tombstone or (model.keeps_tombstone and record.revision.main == revision)
    ]
    checksum = crc32c(b"key")
    for record in model.records:
        main, _, is_tombstone = record.revision
        is_compacted = main <= model.compact_revision
        if main > revision or (is_compacted and keep and record not in keep):
            continue
        if is_tombstone and main == model.compact_revision and model.keeps_tombstone:
            continue
        checksum = extend(checksum, b"".join(mvcc.encode_record(record)))
    return HashKV(checksum, Revision(revision), Revision(model.compact_revision))


def compare(
    client: Client, model: EtcdModel, version: str, cached: HashKV | None, done: Comparison, where: str
) -> None:
    """Save a snapshot; its records must be the model's, and its HashKV at every revision the server's."""
    rule = rule_of(version)
    with client.maintenance.snapshot() as stream:
        data = b"".join(chunk.blob for chunk in stream)
    database = open_database(data)
    assert check_structure(database) == [], where
    items = databases.all_items(database)
    assert items[b"key"] == [mvcc.encode_record(record) for record in model.records], where
    compact = databases.compact_revision(database)
    assert compact == model.compact_revision, where
    pages = databases.record_pages(database)
    survey = KeyspaceSurvey(compact)
    for page, spans in pages():
        survey.feed(page, spans)
    survey.finish()
    assert [str(finding) for finding in survey.findings] == [], where
    assert set(survey.live_keys()) == set(model.live()), where
    lowest = max(compact, 1) + (0 if rule.answers_at_compact_revision else 1)
    for revision in range(min(lowest, model.revision + 1), model.revision + 1):
        answer = client.maintenance.hash_kv(revision)
        if answer.compact_revision != compact:
            assert cached is not None and revision == compact, where
            assert (answer.hash, answer.compact_revision) == (cached.hash, cached.compact_revision), where
        else:
            ours = hash_kv(pages, Revision(revision), compact, rule)
            assert answer.hash == ours.hash, f"{where}: HashKV at {revision}, compacted at {compact}"
        done.hashes += 1
    done.records += len(model.records)
