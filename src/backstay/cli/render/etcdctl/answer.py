"""An answer of etcd and the forms that etcdctl gives it; and the lines that many answers share.

A form that is None is one that etcdctl does not have for this answer: it says so and exits with status 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message

from backstay.cli.options import EtcdFormat
from backstay.cli.render import etcd_tables
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.go import quoted, text_of
from backstay.cli.render.json_output import etcd_json
from backstay.etcd.pb import kv_pb2 as kv
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.values import hex_id

Draw = Callable[[], str]
NEWEST_STYLE = etcd_tables.TableStyle.BOX


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `json` is plain data; without it the JSON is that of `message`, whose bytes are the form `protobuf`."""

    simple: Draw
    message: Message | None = None
    fields: Draw | None = None
    table: Draw | None = None
    json: Callable[[], object] | None = None

    def text(self, form: EtcdFormat) -> str | None:
        """The answer in a textual form, without the last line break; None where etcdctl has no such form."""
        if form is EtcdFormat.SIMPLE:
            return self.simple()
        if form is EtcdFormat.FIELDS:
            return self.fields() if self.fields is not None else None
        if form is EtcdFormat.TABLE:
            return self.table() if self.table is not None else None
        data = self.data()
        if data is None or form is EtcdFormat.PROTOBUF:
            return None
        if form is EtcdFormat.YAML:
            from backstay.cli.render.yaml_output import yaml_text

            return yaml_text(data)
        return etcd_json(data)

    def data(self) -> object:
        """The answer as plain data."""
        if self.json is not None:
            return self.json()
        return go.json_of(self.message) if self.message is not None else None


def lines(*texts: str) -> str:
    """`texts` below each other."""
    return "\n".join(texts)


def box(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """A table as 3.7 draws it; its library writes headers in capitals and blanks for underscores."""
    return etcd_tables.table([each.upper().replace("_", " ") for each in header], rows, NEWEST_STYLE)


def header_lines(header: rpc.ResponseHeader, *, is_hex: bool) -> list[str]:
    """The lines that begin every answer in `fields`; a revision of 0 is left out."""
    numbers = (header.cluster_id, header.member_id)
    cluster, member = (hex_id(each) if is_hex else str(each) for each in numbers)
    rows = [f'"ClusterID" : {cluster}', f'"MemberID" : {member}']
    if header.revision > 0:
        rows.append(f'"Revision" : {header.revision}')
    return [*rows, f'"RaftTerm" : {header.raft_term}']


def key_value_lines(item: kv.KeyValue, *, is_hex: bool, prefix: str = "") -> list[str]:
    """A key with its value in `fields`."""
    return [
        f'"{prefix}Key" : {quoted(item.key)}',
        f'"{prefix}CreateRevision" : {item.create_revision}',
        f'"{prefix}ModRevision" : {item.mod_revision}',
        f'"{prefix}Version" : {item.version}',
        f'"{prefix}Value" : {quoted(item.value)}',
        f'"{prefix}Lease" : {lease_text(item.lease, is_hex=is_hex)}',
    ]


def key_value_text(item: kv.KeyValue, *, is_hex: bool, value_only: bool = False) -> list[str]:
    """A key with its value in `simple`: two lines."""
    written = [_in_hex(each) if is_hex else text_of(each) for each in (item.key, item.value)]
    return written[1:] if value_only else written


def lease_text(lease: int, *, is_hex: bool) -> str:
    """A lease in `fields`."""
    return f"{lease & 0xFFFFFFFFFFFFFFFF:016x}" if is_hex else str(lease)


def _in_hex(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)
