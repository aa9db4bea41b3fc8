"""One plain value decoded: protobuf by the table, JSON, CBOR and YAML as they are, CRDs converted to what is served.

    ValueDecoder(plans).decode(value) -> Decoded(encoding, json, problem, notes, text)

Values come from a file that anybody may have written: every way in which one can be wrong ends as a `Problem`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.kube import crds
from backstay.kube.decode import cbor, text_json, text_yaml
from backstay.kube.decode.generic import fields_by_number
from backstay.kube.decode.message import MessageReader
from backstay.kube.decode.plan import Plans
from backstay.kube.envelope import Envelope, encoding_of, open_envelope
from backstay.kube.schema import message_name
from backstay.kube.values import UNDECODED, Encoding, JsonObject, Problem

_METADATA = "meta.v1.ObjectMeta"
_TEXT_LIMIT = 64 << 10
"""Characters of a text value that are kept; it is no object, and a person wants to see what it is."""


class Decoded(NamedTuple):
    """What a plain value holds. `api_version` and `kind` are those of the stored form, before any conversion."""

    encoding: Encoding
    api_version: str
    kind: str
    json: JsonObject | None
    problem: Problem | None
    notes: tuple[str, ...]
    text: str


class ValueDecoder:
    """Decodes values as one release prints them."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def decode(self, value: bytes) -> Decoded:
        """What `value`, which is not encrypted, holds. Raises nothing."""
        encoding, plain = encoding_of(value)
        if encoding is Encoding.PROTOBUF:
            return self._protobuf(plain)
        if encoding in _READERS:
            return _document(encoding, plain)
        if encoding is Encoding.TEXT:
            return Decoded(encoding, "", "", None, None, (), plain[:_TEXT_LIMIT].decode("utf-8", "replace"))
        problem = Problem("no-object", "the value is empty" if not value else "the value is no known encoding")
        return Decoded(encoding, "", "", None, problem, (), "")

    def _protobuf(self, value: bytes) -> Decoded:
        try:
            envelope = open_envelope(value)
        except FormatError as problem:
            return _damaged(Encoding.PROTOBUF, "", "", None, problem)
        plan = self._plans.find(message_name(envelope.api_version, envelope.kind))
        if plan is None and envelope.api_version == "v1":  # Status and the like, which belong to no group
            plan = self._plans.find(f"meta.v1.{envelope.kind}")
        reader = MessageReader()
        problem_found: Problem | None = None
        json: Any
        if plan is None:
            json = self._generic(envelope)
            problem_found = Problem("unknown-type", f"{envelope.api_version or 'no version'} {envelope.kind}")
        elif envelope.content_encoding:
            json = self._generic(envelope)
            problem_found = Problem("unknown-type", f"content encoding {envelope.content_encoding!r}")
        else:
            try:
                json = reader.read(plan, envelope.data, envelope.start, envelope.end)
            except (FormatError, RecursionError) as problem:
                return _damaged(
                    Encoding.PROTOBUF, envelope.api_version, envelope.kind, self._generic(envelope), problem
                )  # fmt: skip
        if not isinstance(json, dict):  # a type that prints as no object of its own
            json, problem_found = (
                self._generic(envelope),
                Problem("unknown-type", f"{envelope.kind} is no kind of object"),
            )
        full = {"kind": envelope.kind, "apiVersion": envelope.api_version, **json}
        if crds.is_v1beta1(full) and problem_found is None:
            full = crds.as_v1(full)
        return Decoded(
            Encoding.PROTOBUF, envelope.api_version, envelope.kind, full, problem_found, tuple(reader.notes), ""
        )

    def _generic(self, envelope: Envelope) -> JsonObject:
        """A message without its type: metadata is field 1 of every kind, the rest is shown by number."""
        fields = fields_by_number(envelope.data, envelope.start, envelope.end)
        json: JsonObject = {}
        metadata = self._metadata(envelope)
        if metadata is not None:
            fields.pop("1", None)
            json["metadata"] = metadata
        return {**json, UNDECODED: fields}

    def _metadata(self, envelope: Envelope) -> JsonObject | None:
        plan = self._plans.find(_METADATA)
        try:
            place = _first_message(envelope.data, envelope.start, envelope.end)
            if plan is None or place is None:
                return None
            metadata: JsonObject = MessageReader().read(plan, envelope.data, *place)
            return metadata
        except (FormatError, RecursionError):
            return None


def _first_message(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """The place of field 1, which is written first."""
    if start >= end or data[start] != 0x0A:
        return None
    size, position = protowire.read_varint(data, start + 1, end)
    return (position, position + size) if position + size <= end else None


_READERS = {
    Encoding.JSON: text_json.decode,
    Encoding.CBOR: cbor.decode,
    Encoding.YAML: text_yaml.decode,
}


def _document(encoding: Encoding, value: bytes) -> Decoded:
    """JSON, CBOR or YAML: the object is what it says, but for CRDs."""
    try:
        json = _READERS[encoding](value)
    except (FormatError, RecursionError) as problem:
        text = value[:_TEXT_LIMIT].decode("utf-8", "replace") if encoding is not Encoding.CBOR else ""
        return _damaged(encoding, "", "", None, problem)._replace(text=text)
    if not isinstance(json, dict):
        text = value[:_TEXT_LIMIT].decode("utf-8", "replace") if encoding is not Encoding.CBOR else ""
        return Decoded(encoding, "", "", None, Problem("no-object", "the value is no object"), (), text)
    api_version, kind = _text(json.get("apiVersion")), _text(json.get("kind"))
    if crds.is_v1beta1(json):
        json = crds.as_v1(json)
    lack = None if api_version and kind else Problem("no-object", "apiVersion or kind is missing")
    return Decoded(encoding, api_version, kind, json, lack, (), "")


def _damaged(
    encoding: Encoding, api_version: str, kind: str, json: JsonObject | None, problem: FormatError | RecursionError
) -> Decoded:
    if isinstance(problem, FormatError):
        why = f"{problem.what} at offset {problem.offset}" + (f": {problem.why}" if problem.why else "")
    else:
        why = "nested too deeply"
    full = None if json is None else {"kind": kind, "apiVersion": api_version, **json}
    return Decoded(encoding, api_version, kind, full, Problem("damaged", why), (), "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
