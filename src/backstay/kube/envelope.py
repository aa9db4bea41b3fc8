"""What a stored value is, by its first bytes: protobuf in Kubernetes' envelope, JSON, CBOR, YAML, text, or sealed.

6b 38 73 00                  "k8s" NUL, then a runtime.Unknown:
    0a len  { 0a apiVersion, 12 kind }      runtime.TypeMeta: 1 apiVersion, 2 kind (meta/v1's has them the other way)
    12 len  object                          the message that apiVersion and kind name
    1a 00   contentEncoding                 22 00   contentType: both always empty
d9 d9 f7                     CBOR (gate CBORServingAndStorage)
7b                           JSON, ends with a newline
"k8s:enc:"                   encrypted at rest: see `encryption`
"azhzAA"                     base64 of the first kind, left over from etcd 2

6b 38 73 00  0a 09 0a 02 76 31 12 03 50 6f 64  12 02 0a 00  1a 00 22 00       v1 Pod with empty metadata
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.kube.values import Encoding

PROTOBUF_MAGIC = b"k8s\x00"
CBOR_MAGIC = b"\xd9\xd9\xf7"
"""Tag 55799: what follows is CBOR."""
ENCRYPTED_MAGIC = b"k8s:enc:"
_BASE64_MAGIC = b"azhzAA"
_WHITE_SPACE = b" \t\r\n"
_YAML_STARTS = (b"apiVersion:", b"kind:", b"---", b"metadata:", b"spec:", b"data:")


class Envelope(NamedTuple):
    """A protobuf value opened: its type, and where the object is in `data`."""

    api_version: str
    kind: str
    data: bytes
    start: int
    end: int
    content_encoding: str


def encoding_of(value: bytes) -> tuple[Encoding, bytes]:
    """The encoding of a plain value, and the value itself without what is only wrapping."""
    if value.startswith(PROTOBUF_MAGIC):
        return Encoding.PROTOBUF, value
    if value.startswith(CBOR_MAGIC):
        return Encoding.CBOR, value
    start = value[:64].lstrip(_WHITE_SPACE)[:1] or value.lstrip(_WHITE_SPACE)[:1]
    if start == b"{":
        return Encoding.JSON, value
    if value.startswith(_BASE64_MAGIC):
        try:
            return Encoding.PROTOBUF, base64.b64decode(value, validate=True)
        except binascii.Error:
            return Encoding.TEXT, value
    if value.startswith(_YAML_STARTS):
        return Encoding.YAML, value
    return (Encoding.TEXT if _is_text(value) else Encoding.BINARY), value


def open_envelope(value: bytes) -> Envelope:
    """The protobuf envelope in `value`, which begins with the magic. Raises `FormatError`."""
    api_version = kind = encoding = ""
    start = end = len(value)
    position, size = len(PROTOBUF_MAGIC), len(value)
    while position < size:
        tag, position = protowire.read_varint(value, position, size)
        if tag & 7 != protowire.BYTES:
            raise FormatError("envelope has a field of another wire type", offset=position)
        length, position = protowire.read_varint(value, position, size)
        stop = position + length
        if stop > size:
            raise FormatError("envelope is cut off", offset=position)
        number = tag >> 3
        if number == 1:
            api_version, kind = _type_meta(value, position, stop)
        elif number == 2:
            start, end = position, stop
        elif number == 3:
            encoding = value[position:stop].decode("utf-8", "replace")
        position = stop
    return Envelope(api_version, kind, value, start, end, encoding)


def _type_meta(value: bytes, start: int, end: int) -> tuple[str, str]:
    api_version = kind = ""
    for number, _, content in protowire.read_fields(value, start, end):
        if isinstance(content, bytes):
            if number == 1:
                api_version = content.decode("utf-8", "replace")
            elif number == 2:
                kind = content.decode("utf-8", "replace")
    return api_version, kind


def _is_text(value: bytes) -> bool:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(each.isprintable() or each in "\n\r\t" for each in text)
