"""Which release of Kubernetes wrote a store, judged by what is stored: the lowest release that can have written all of it.

    a type                 Workload of scheduling.k8s.io/v1beta1 is stored                  at least 1.37
    a field                field 25 of a Container is stored                                at least 1.34
    an APIService          v1.resource.k8s.io is registered, by the server for itself       at least 1.34

The highest of these is the release; without any, the newest that the table knows. The rule errs on the low side where
nothing young is used, which shows in a few empty structs and nulls only. `--kubernetes-version` goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.formats.mvcc import KeyValue
from backstay.kube.envelope import PROTOBUF_MAGIC, open_envelope
from backstay.kube.release import OLDEST, Release
from backstay.kube.schema import Table, message_name

_SERVICE = re.compile(rb"/apiservices/(v\d+(?:(?:alpha|beta)\d+)?)\.([a-z0-9.-]*)\Z")
_DEPTH = 8
_OURS = ".k8s.io"


class Evidence:
    """Collects what speaks for a release, item by item."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lowest: Release | None = None
        self._youngest_in: dict[str, Release] = {}
        self._since: dict[str, dict[int, tuple[Release, str]] | None] = {}

    def release(self) -> Release:
        """The release that everything seen speaks for."""
        return self._lowest if self._lowest is not None else self._table.newest()

    def add_all(self, items: Iterable[KeyValue]) -> None:
        """Look at every one of `items`."""
        for item in items:
            self.add(item)

    def add(self, item: KeyValue) -> None:
        """Look at one stored value, whatever it is; encrypted ones say nothing."""
        service = _SERVICE.search(item.key)
        if service is not None:
            version, group = service[1].decode(), service[2].decode()
            if not group or "." not in group or group.endswith(_OURS):
                name = message_name(f"{group}/{version}" if group else version, "")
                self._at_least(self._table.package_since(name.rstrip(".")))
        elif item.value.startswith(PROTOBUF_MAGIC):
            try:
                envelope = open_envelope(item.value)
                name = message_name(envelope.api_version, envelope.kind)
                self._message(name, envelope.data, envelope.start, envelope.end, 0)
            except FormatError:
                return

    def _message(self, name: str, data: bytes, start: int, end: int, depth: int) -> None:
        known = self._since_of(name)
        if not known or depth > _DEPTH:
            return
        if self._lowest is not None and self._youngest(name) <= self._lowest:
            return  # nothing in it can tell more than what was seen already
        position = start
        while position < end:
            tag, position = protowire.read_varint(data, position, end)
            value, position = protowire.read_varint(data, position, end)
            number, wire = tag >> 3, tag & 7
            since, inner = known.get(number, (None, ""))
            if wire == protowire.BYTES:
                if value > end - position:
                    raise FormatError("field is longer than its message", offset=position)
                if inner:
                    self._message(inner, data, position, position + value, depth + 1)
                position += value
            elif wire != protowire.VARINT:
                return
            self._at_least(since)

    def _since_of(self, name: str) -> dict[int, tuple[Release, str]] | None:
        """By field number: since when it is there, and its message if that is one."""
        if name not in self._since:
            message = self._table.find(name)
            if message is None:
                self._since[name] = None
            else:
                young = message.since_of_fields()
                self._since[name] = {
                    field.number: (
                        max(message.since, young.get(field.number, OLDEST)),
                        field.type if "." in field.type and not field.is_map else "",
                    )
                    for field in message.fields(OLDEST)
                }
        return self._since[name]

    def _youngest(self, name: str) -> Release:
        """The release of the youngest field in a message and everything below it."""
        if name not in self._youngest_in:
            self._youngest_in[name] = OLDEST  # for types that hold themselves
            known = self._since_of(name) or {}
            below = [self._youngest(inner) for _, inner in known.values() if inner]
            self._youngest_in[name] = max([OLDEST, *below, *(since for since, _ in known.values())])
        return self._youngest_in[name]

    def _at_least(self, release: Release | None) -> None:
        if release is not None and (self._lowest is None or release > self._lowest):
            self._lowest = release
