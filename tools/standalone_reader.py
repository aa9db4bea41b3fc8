"""Extract a snapshot from a repository without backstay: Python's standard library, `cryptography`, and zstd.

    python standalone_reader.py DIRECTORY OUTPUT.db [--identity FILE] [--at latest|LINEAGE-SEQUENCE]

DIRECTORY is a local copy. `pip install cryptography backports.zstd`. Understood by docs/formats/repository.md alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib
import json
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
BRANCH, LEAF, CLASSES = 1, 2, ("base", "state", "history", "log", "entries", "merged", "manifest", "companions")
Fields = dict[str, Any]
Row = tuple[bytes, int, int, bool, bytes]  # key, main, sub, is it a tombstone, value


def require(truth: bool, problem: str) -> None:
    """Stop with a message unless `truth`."""
    if not truth:
        sys.exit(f"error: {problem}")


def derive(secret: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256."""
    return HKDF(SHA256(), length, salt, info).derive(secret)


def read_identity(text: str) -> X25519PrivateKey:
    """The first AGE-SECRET-KEY in a text (bech32; its checksum is left to age)."""
    found = re.findall("AGE-SECRET-KEY-1([A-Z0-9]{58})", text) or sys.exit("error: no AGE-SECRET-KEY-1... is there")
    bits = "".join(f"{'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.index(letter):05b}" for letter in found[0].lower())
    return X25519PrivateKey.from_private_bytes(int(bits[:256], 2).to_bytes(32, "big"))


def open_slot(slot: bytes, identity: X25519PrivateKey) -> bytes | None:
    """What is in an age file (age-encryption.org/v1) for this identity; None when it is for somebody else."""
    head, payload = re.split(rb"\n---.*\n", slot, maxsplit=1)
    for stanza in re.finditer(rb"\n-> X25519 (\S+)\n(\S+)", head):
        share, body = (base64.b64decode(part + b"==") for part in stanza.groups())
        shared = identity.exchange(X25519PublicKey.from_public_bytes(share))
        wrap = derive(shared, share + identity.public_key().public_bytes_raw(), b"age-encryption.org/v1/X25519")
        with suppress(Exception):  # it is for somebody else
            key = ChaCha20Poly1305(wrap).decrypt(bytes(12), body, None)
            secret = derive(key, payload[:16], b"payload")
            return ChaCha20Poly1305(secret).decrypt(bytes(11) + b"\1", payload[16:], None)
    return None


class Repository:
    """A repository in a directory; its description and newest trust document are checked."""

    def __init__(self, directory: Path, identity: X25519PrivateKey | None) -> None:
        self.directory, self.identity, self.keys = directory, identity, dict[str, bytes]()
        self.description, signer = self.document(directory / "backstay.json")
        trust, other = self.document(max((directory / "trust").iterdir()))
        require(self.description["format"] == 1 and not self.description["features"], "the format is newer")
        require({signer, other} <= set(self.description["root"]), "a document is not signed by the root key")
        self.id: str = self.description["repository"]
        self.writers = {each["key"]: each["revoked"] for each in trust["writers"]}

    def document(self, path: Path) -> tuple[Fields, str]:
        """The fields of a signed document, and who signed it."""
        body, signed = path.read_bytes().splitlines()
        key, signature = (json.loads(signed)[name] for name in ("key", "signature"))
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(base64.b64decode(signature), b"backstay signed document 1\n" + body)
        return json.loads(body), key

    def points(self) -> Iterator[Fields]:
        """All points that stay, of every chain of signed manifests; merged runs stand in the place of their rows."""
        for lineage in sorted((self.directory / "manifests").iterdir()):
            there = {int(path.name) for path in lineage.iterdir()}
            first, said, swept = max(n for n in there if n - 1 not in there), dict[int, str](), set[str]()
            chain, rows, floor, hashes = list[Fields](), list[tuple[list[str], Fields]](), Fields(), {0: ""}
            for number in range(first, max(there) + 1):
                path = lineage / f"{number:016d}"
                fields, key = self.document(path)
                revoked, change = self.writers.get(key, {}), fields.get("change", {})
                require(revoked is None or number < revoked.get(lineage.name, 0), f"{path} has no trusted writer")
                place = (fields["repository"], fields["lineage"], fields["sequence"], fields["previous"])
                wanted = (self.id, lineage.name, number, hashes.get(number - 1, fields["previous"]))
                require(place == wanted, f"the chain breaks at {path}")
                hashes[number], kind = hashlib.sha256(path.read_bytes()).hexdigest(), fields["kind"]
                said |= {n: "" if kind == "recall" else said.get(n, "") + kind for n in change.get("points", ())}
                swept |= set(change.get("deleted", ()))
                rows += zip([row["replaces"] for row in change.get("rows", ())], fields["runs"], strict=False)
                chain, floor = [*chain, fields], change.get("floor") or floor
            require(first == 1 or hashes.get(floor.get("sequence", 0)) == floor.get("sha256"), f"{path} begins late")
            backups = ((each, said.get(each["sequence"], "")) for each in chain if each["kind"] == "backup")
            for point, words in (each for each in backups if not each[1].replace("fade", "")):
                for row, run in rows:
                    names = [each["name"] for each in point["runs"]]
                    at = names.index(row[0]) if row[0] in names else len(names)
                    if names[at : at + len(row)] == row:
                        point["runs"][at : at + len(row)] = [run]
                yield {**point, "alone": bool(words) or any(run["name"] in swept for run in point["runs"])}

    def epoch_key(self, epoch: str) -> bytes:
        """The key of an epoch, from its slots."""
        for slot in (self.directory / "keys" / epoch).glob("*.age"):
            if epoch not in self.keys and self.identity and (content := open_slot(slot.read_bytes(), self.identity)):
                self.keys[epoch] = bytes.fromhex(content.decode())
        require(epoch in self.keys, f"epoch {epoch} is encrypted, and no --identity opens it")
        return self.keys[epoch]

    def frames(self, data: bytes, kind: str) -> list[bytes]:
        """The unpacked contents of a sealed object; the last is its footer."""
        head, salt, prefix, commitment = data[:96], data[24:56], data[56:63], data[64:96]
        offset, length, last, magic = struct.unpack(">QII4s", data[-20:])
        key, sealed = bytes(32), self.description["encryption"] == "sealed"
        whole = head[:5] == b"BSTY1" and magic == b"BSTY" and offset + length + 24 == len(data)
        require(whole, "an object is damaged, cut short, or of a newer format")
        require(CLASSES[head[5] - 1] == kind and head[6] == sealed, "an object is of another class or suite")
        if sealed:
            secret = self.epoch_key(f"{int.from_bytes(head[8:12], 'big'):08d}-{head[12:20].hex()}")
            derived = derive(secret, salt, f"backstay/v1 object {self.id} {kind}".encode(), 71)
            key = derived[:32]
            require(derived[32:] == prefix + commitment, "an object is sealed with another key")
        contents, at = list[bytes](), 96
        for number in range(last + 1):
            size = int.from_bytes(data[at : at + 4], "big")
            frame, flag, counter = data[at + 4 : at + 4 + size], bytes((number == last,)), struct.pack(">I", number)
            content = AESGCM(key).decrypt(prefix + counter + flag, frame, head + counter) if sealed else frame[:-16]
            tag = hashlib.sha256(head + counter + flag + content).digest()[:16]
            require(sealed or tag == frame[-16:], "a frame is damaged")
            contents, at = [*contents, zstd.decompress(content)], at + 4 + size
        return contents


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    rest, end = varint(data, at + 1) if data[at] > 0x7F else (0, at + 1)
    return rest << 7 | data[at] & 0x7F, end


def encoded(number: int) -> bytes:
    """A number as a varint."""
    return bytes((number,)) if number < 0x80 else bytes((number & 0x7F | 0x80,)) + encoded(number >> 7)


def rows(data: bytes) -> Iterator[Row]:
    """The records of a frame."""
    at, key, head = 0, b"", b"\x0a\x00"
    while at < len(data):
        flags, at, value = data[at], at + 1, head
        main, at = varint(data, at) if flags & 4 else (0, at)
        sub, at = varint(data, at) if flags & 2 else (0, at)
        if not flags & 8:
            shared, at = varint(data, at)
            added, at = varint(data, at)
            key, at = key[:shared] + data[at : at + added], at + added
            head = value = b"\x0a" + encoded(len(key)) + key
        if not flags & 16:
            size, at = varint(data, at)
            rest, at = data[at : at + size], at + size
            main = main or varint(rest, varint(rest, 1)[1] + 1)[0]
            value = rest if flags & 32 else head + rest
        yield key, main, sub, bool(flags & 1), value


class Builder:
    """A bbolt file: pages in one pass, packed to the page, the metas last (docs/formats/etcd-files.md, 1)."""

    def __init__(self, page_size: int) -> None:
        self.size, self.next, self.pages = page_size, 2, list[bytes]()

    def body(self, kind: int, items: list[Any], flags: int) -> bytes:
        """A page without header and padding: a leaf of (key, value), or a branch of (first key, page)."""
        at, table, data = len(items) * 16, b"", b""
        for place, (key, value) in enumerate(items):
            offset = at - 16 * place + len(data)
            if kind == BRANCH:
                table, data = table + struct.pack("<IIQ", offset, len(key), value), data + key
            else:
                table, data = table + struct.pack("<IIII", flags, offset, len(key), len(value)), data + key + value
        return table + data

    def tree(self, items: list[Any], flags: int) -> int:
        """Leaves and the branches above them; returns the root page."""
        kind, level = LEAF, items
        while kind == LEAF or len(level) > 1:
            groups, size = [list[Any]()], 16
            for item in level:
                cost = 16 + len(item[0]) + (len(item[1]) if kind == LEAF else 0)
                if len(groups[-1]) >= (1 if kind == LEAF else 2) and size + cost > self.size:
                    groups.append([])
                    size = 16
                groups[-1].append(item)
                size += cost
            if kind == BRANCH and len(groups) > 1 and len(groups[-1]) == 1:  # a branch has at least two children
                lonely, before = groups.pop(), groups.pop()
                groups += [before[:-1], before[-1:] + lonely] if len(before) > 2 else [before + lonely]
            level = []
            for group in groups:
                body = self.body(kind, group, flags)
                spanned = -(-(16 + len(body)) // self.size)
                head = struct.pack("<QHHI", self.next, kind, len(group), spanned - 1)
                self.pages.append((head + body).ljust(spanned * self.size, b"\0"))
                level.append((group[0][0] if group else b"", self.next))
                self.next += spanned
            kind = BRANCH
        return int(level[0][1])

    def bucket(self, items: list[Any]) -> bytes:
        """One bucket; small ones are inline. Returns its header."""
        if 16 + sum(16 + len(key) + len(value) for key, value in items) <= self.size // 4:
            return bytes(16) + struct.pack("<QHHI", 0, LEAF, len(items), 0) + self.body(LEAF, items, 0)
        return struct.pack("<QQ", self.tree(items, 0), 0)

    def metas(self, root: int) -> bytes:
        """Pages 0 and 1."""
        pages, mask = b"", (1 << 64) - 1
        for number in (0, 1):
            meta = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, self.size, 0, root, 0, mask, self.next, 2 - number)
            checksum = 0xCBF29CE484222325
            for byte in meta:
                checksum = (checksum ^ byte) * 0x100000001B3 & mask
            page = struct.pack("<QHHI", number, 4, 0, 0) + meta + struct.pack("<Q", checksum)
            pages += page.ljust(self.size, b"\0")
        return pages


def extract(repository: Repository, point: Fields) -> bytes:
    """The snapshot of a point."""
    facts = json.loads(repository.frames(base64.b64decode(point["private"]), "manifest")[0])
    records, gone, buckets = list[Row](), set[tuple[int, int]](), dict[bytes, list[Any]]()
    alone = point["alone"]  # its history has faded: it is as if the source had been compacted at this revision
    for run in (each for each in point["runs"] if each["class"] not in ("companions", "history" * alone)):
        stored = (repository.directory / run["name"]).read_bytes()
        require(hashlib.sha256(stored).hexdigest() == run["name"][-64:], f"{run['name']} is damaged")
        *contents, footer = repository.frames(stored, run["class"])
        if run["class"] != "entries":
            records += (row for content in contents for row in rows(content))
            gone |= {(main, sub) for main, sub in json.loads(footer)["vanished"]}
            continue
        data, at = b"".join(contents), 0
        require(hashlib.sha256(data).hexdigest() == facts["entries_digest"], "the entries differ")
        while at < len(data):
            parts = list[bytes]()
            for _ in range(3):
                size, at = varint(data, at)
                parts, at = [*parts, data[at : at + size]], at + size
            buckets.setdefault(parts[0], []).extend([(parts[1], parts[2])] if parts[1] else [])
    compact, keys = facts["revision" if alone else "compact_revision"], []
    marks = dict.fromkeys((b"scheduledCompactRev", b"finishedCompactRev") * alone, struct.pack(">QBQ", compact, 95, 0))
    buckets[b"meta"] = sorted({**dict(buckets[b"meta"]), **marks}.items())
    newest_old = {record[0]: record for record in sorted(records) if record[1] <= compact}
    for record in sorted(set(records), key=lambda each: each[1:3]):  # what etcd's compaction leaves
        _, main, sub, tombstone, value = record
        stays = ((alone or facts["keeps_tombstones"]) and main == compact) if tombstone else (main, sub) not in gone
        if main > compact or (newest_old[record[0]] == record and stays):
            keys.append((struct.pack(">QBQ", main, 0x5F, sub) + b"t" * tombstone, value))
    total = sum(int.from_bytes(hashlib.sha256(k + v).digest(), "big") for k, v in keys if not alone or len(k) < 18)
    require(f"{total % (1 << 256):064x}" == facts["state_digest" if alone else "records_digest"], "the records differ")
    builder = Builder(facts["file"]["page_size"])
    root = [(name, builder.bucket(items)) for name, items in sorted({**buckets, b"key": keys}.items())]
    metas, pages = builder.metas(builder.tree(root, 1)), b"".join(builder.pages)
    require(alone or hashlib.sha256(pages + metas).hexdigest() == facts["file"]["pages_sha256"], "the file differs")
    return metas + pages + hashlib.sha256(metas + pages).digest()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="extract a snapshot from a backstay repository")
    for name in ("directory", "output", "--identity"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--at", default="latest", help="an id: LINEAGE-SEQUENCE")
    chosen = parser.parse_args()
    repository = Repository(chosen.directory, chosen.identity and read_identity(chosen.identity.read_text()))
    known = sorted(repository.points(), key=lambda each: (each["time"], each["sequence"]))
    points = {f"{each['lineage']}-{each['sequence']}": each for each in known}
    name = next(reversed(points), "none") if chosen.at == "latest" else chosen.at
    require(name in points, f"there is no backup {name}, but {', '.join(points) or 'none'}")
    snapshot = extract(repository, points[name])
    with chosen.output.open("xb") as file:
        file.write(snapshot)
    print(f"{chosen.output}: {len(snapshot)} bytes of {name}, every digest as promised")


if __name__ == "__main__":
    main()
