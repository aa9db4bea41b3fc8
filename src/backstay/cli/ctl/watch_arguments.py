"""What the words of `ctl watch` mean: key, range end, and the program to run for every event.

Pure. Key and range end may come from ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END instead; the program stands after `--`.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.cli.ctl.door import BAD_ARGUMENTS
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.render.etcdctl import go
from backstay.etcd.operations import FROM_KEY, prefix_end

BAD_NUMBER = "bad number of arguments"
KEY_VARIABLE, RANGE_END_VARIABLE = "ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END"


@dataclass(frozen=True, slots=True)
class Watched:
    """What to watch, and the program with its arguments; an empty one is none."""

    key: bytes
    range_end: bytes
    program: tuple[str, ...]


def watched(
    words: tuple[str, ...],
    program: tuple[str, ...] | None,
    *,
    variable_key: str,
    variable_range_end: str,
    prefix: bool,
) -> Watched:
    """What the words say together with the variables; `program` is None without `--`. Refuses in etcdctl's words."""
    if program is not None and not program:
        raise _refused(f"{BAD_NUMBER} (found separator --, but no commands)")
    if variable_key:
        if words:
            raise _refused(f"{BAD_NUMBER} (found conflicting environment key)")
        words = (variable_key, variable_range_end) if variable_range_end else (variable_key,)
    if not words:
        raise _refused(BAD_NUMBER)
    key = go.bytes_of(words[0])
    range_end = go.bytes_of(words[1]) if len(words) == 2 else b""
    if prefix:
        if len(words) == 2:
            raise _refused("`range_end` and `--prefix` are mutually exclusive")
        key, range_end = key or b"\x00", prefix_end(key) if key else FROM_KEY
    return Watched(key, range_end, program or ())


def _refused(sentence: str) -> EtcdctlFailure:
    return EtcdctlFailure(sentence, BAD_ARGUMENTS)
