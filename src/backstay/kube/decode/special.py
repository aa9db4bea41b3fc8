"""Types that Kubernetes writes in JSON otherwise than as an object of their fields.

    Quantity      {1 string}               the string; "0" when it is absent
    IntOrString   {1 type, 2 int, 3 str}   a number or a string
    Time          {1 seconds, 2 nanos}     null for the empty message, else 2024-01-02T03:04:05Z; nanos are not printed
    MicroTime     the same                 six digits behind the second: 2024-01-02T03:04:05.000000Z
    Duration      {1 nanoseconds}          1h30m0s, as Go prints it
    FieldsV1      {1 raw}                  the JSON inside, null when there is none
    RawExtension  {1 raw}                  the same; may hold CBOR
    ExtraValue    {1 repeated string}      the list; also Verbs, AttestationValue

    0a 05 31 30 30 4d 69          Quantity "100Mi"
    08 01 10 00 1a 03 35 30 25    IntOrString "50%"
    08 80 c5 ef ab 06             Time 2023-12-31T16:00:00Z

A function here takes the buffer and the message's place in it, and answers with a JSON value. It raises `FormatError`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from backstay.errors import FormatError
from backstay.formats import protowire
from backstay.kube.decode import cbor, text_json
from backstay.kube.envelope import CBOR_MAGIC

Convert = Callable[[bytes, int, int], Any]

_ZERO_TIME_SECONDS = -62135596800
"""0001-01-01, which Go's time calls zero."""

_SECONDS_LIMIT = 1 << 55
_TIME_CACHE = 4096


def text(data: bytes, start: int, end: int) -> str:
    """A string; bytes that are no UTF-8 become U+FFFD, as the API server prints them."""
    return data[start:end].decode("utf-8", "replace")


def quantity(data: bytes, start: int, end: int) -> str:
    """A Quantity: its string."""
    value = _first_bytes(data, start, end)
    return value.decode("utf-8", "replace") if value else "0"


def int_or_string(data: bytes, start: int, end: int) -> int | str:
    """An IntOrString: whichever of both its type names."""
    kind, number, string = 0, 0, b""
    for field, _, value in protowire.read_fields(data, start, end):
        if isinstance(value, bytes):
            string = value if field == 3 else string
        elif field == 1:
            kind = value
        elif field == 2:
            number = value
    return string.decode("utf-8", "replace") if kind == 1 else signed32(number)


def time(data: bytes, start: int, end: int) -> str | None:
    """A Time: UTC, to the second; None for the zero time."""
    if start == end:
        return None
    seconds, _ = _seconds_and_nanos(data, start, end)
    return None if seconds == _ZERO_TIME_SECONDS else f"{_date_and_time(seconds)}Z"


def micro_time(data: bytes, start: int, end: int) -> str | None:
    """A MicroTime: UTC, to the microsecond, cut off and not rounded; None for the zero time."""
    if start == end:
        return None
    seconds, nanos = _seconds_and_nanos(data, start, end)
    seconds, nanos = seconds + nanos // 1_000_000_000, nanos % 1_000_000_000
    if seconds == _ZERO_TIME_SECONDS and not nanos:
        return None
    return f"{_date_and_time(seconds)}.{nanos // 1000:06d}Z"


def duration(data: bytes, start: int, end: int) -> str:
    """A Duration: `1h30m0s`, `1.5s`, `0s`."""
    total = 0
    for field, _, value in protowire.read_fields(data, start, end):
        if field == 1 and isinstance(value, int):
            total = protowire.signed64(value)
    sign, nanos = ("-", -total) if total < 0 else ("", total)
    if nanos < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if nanos >= size:
                return f"{sign}{_decimal(nanos, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanos, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 1_000_000_000)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def raw(data: bytes, start: int, end: int) -> Any:
    """A FieldsV1, RawExtension or JSON: what the client sent, None when it sent nothing."""
    value = _first_bytes(data, start, end)
    if not value:
        return None
    if value.startswith(CBOR_MAGIC):
        return cbor.decode(value)
    return text_json.decode(value)


def strings(data: bytes, start: int, end: int) -> list[str] | None:
    """A message that is only a list of strings."""
    found = [
        value.decode("utf-8", "replace")
        for field, _, value in protowire.read_fields(data, start, end)
        if field == 1 and isinstance(value, bytes)
    ]
    return found or None


CONVERTED: dict[str, Convert] = {
    "resource.Quantity": quantity,
    "intstr.IntOrString": int_or_string,
    "meta.v1.Time": time,
    "meta.v1.MicroTime": micro_time,
    "meta.v1.Timestamp": time,
    "meta.v1.Duration": duration,
    "meta.v1.FieldsV1": raw,
    "runtime.RawExtension": raw,
    "meta.v1.Verbs": strings,
    "apiextensions.v1.JSON": raw,
    "apiextensions.v1beta1.JSON": raw,
    **{
        f"{package}.{name}": strings
        for package in (
            "authentication.v1", "authentication.v1beta1", "authorization.v1", "authorization.v1beta1",
            "certificates.v1", "certificates.v1beta1", "certificates.v1alpha1",
        )
        for name in ("ExtraValue", "AttestationValue")
    },
}  # fmt: skip
"""The function for each type that has one."""


def signed32(value: int) -> int:
    """A varint as protobuf's int32, of which only the lowest 32 bits count."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _first_bytes(data: bytes, start: int, end: int) -> bytes:
    """Field 1 of a message that has no other; the ordinary spelling without a loop."""
    if end - start >= 2 and data[start] == 0x0A and data[start + 1] < 0x80 and start + 2 + data[start + 1] == end:
        return data[start + 2 : end]
    found = b""
    for field, _, value in protowire.read_fields(data, start, end):
        if field == 1:
            if not isinstance(value, bytes):
                raise FormatError("text has another wire type", offset=start)
            found = value
    return found


def _seconds_and_nanos(data: bytes, start: int, end: int) -> tuple[int, int]:
    seconds = nanos = 0
    for field, _, value in protowire.read_fields(data, start, end):
        if isinstance(value, int):
            if field == 1:
                seconds = protowire.signed64(value)
            elif field == 2:
                nanos = signed32(value)
    if not -_SECONDS_LIMIT < seconds < _SECONDS_LIMIT:
        raise FormatError(f"time of {seconds} seconds", offset=start)
    return seconds, nanos


@functools.lru_cache(_TIME_CACHE)
def _date_and_time(seconds: int) -> str:
    """Date and time of seconds since 1970, also beyond the years that Python's `datetime` has."""
    days, rest = divmod(seconds, 86400)
    # Years of 400 that begin on 1 March: leap days are then always the last day.
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day_of_month = day - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    full_year = year + era * 400 + (month <= 2)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{full_year:04d}-{month:02d}-{day_of_month:02d}T{clock}"


def _decimal(value: int, unit: int) -> str:
    """value / unit, exactly, without zeros at the end."""
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if digits and rest else str(whole)
