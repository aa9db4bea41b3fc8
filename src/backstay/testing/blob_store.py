"""Does a blob store keep the promises of `backstay.blobs.contract`? A checker for every driver, of ours or of others.

    check_blob_store(lambda: MyStore(...))

`make` gives a store that is empty, a new one or the same place cleaned, and is called once per promise. All promises
are checked, also after one is found broken; `ContractBroken` names each with what was seen. No test framework is needed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from backstay import errors
from backstay.blobs.contract import LONGEST_NAME, LONGEST_PART, Answer, BlobStore, read_all

Promise = Callable[[BlobStore], None]
LARGE_BYTES = (3 << 20) + 17
WRITERS = 4
LOCK_SECONDS, POLL_SECONDS = 2, 0.05
"""How long an object stays locked: storages know whole seconds."""

INVALID_NAMES = (
    "",
    "/absolute",
    "a//b",
    "a/",
    "../up",
    "a/../b",
    "a/./b",
    ".hidden",
    "a/.part-1",
    "space here",
    "new\nline",
    "nul\0",
    "back\\slash",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}mlaut",
    "-option",
    "x" * (LONGEST_PART + 1),
    "/".join(["x" * 100] * (LONGEST_NAME // 100 + 1)),
)


class ContractBroken(AssertionError):
    """The promises that a store does not keep; `broken` maps each to what was seen."""

    def __init__(self, location: str, broken: dict[str, str]) -> None:
        self.broken = broken
        lines = "".join(f"\n  {promise}: {seen}" for promise, seen in broken.items())
        super().__init__(f"{location} breaks {len(broken)} promises:{lines}")


def check_blob_store(make: Callable[[], BlobStore]) -> None:
    """Check every promise on a store from `make`; raises `ContractBroken` with all that are broken."""
    broken: dict[str, str] = {}
    location = "the store"
    for promise in PROMISES:
        try:
            with closing(make()) as store:
                location = store.location
                promise(store)
        except (AssertionError, errors.BackstayError, OSError, ValueError) as seen:
            broken[promise.__name__.replace("_", " ").strip()] = f"{type(seen).__name__}: {seen}"
    if broken:
        raise ContractBroken(location, broken)


def _what_was_put_is_there_and_survives_a_new_look(store: BlobStore) -> None:
    require(store.put("one", b"content") == 7, "put answers the size")
    require(read_all(store, "one", limit_bytes=100) == b"content", "get gives what was put")
    found = store.stat("one")
    require((found.name, found.size) == ("one", 7), f"stat gives name and size, not {found}")
    require(found.modified.tzinfo is not None, "the time of writing knows its zone")


def _nothing_is_something_too(store: BlobStore) -> None:
    require(store.put("empty", b"") == 0, "put answers the size 0")
    require(b"".join(store.get("empty")) == b"", "get gives nothing")
    require(store.stat("empty").size == 0, "stat gives the size 0")


def _a_stream_is_stored_like_bytes(store: BlobStore) -> None:
    content = large_content()
    require(store.put("stream", stream_of(content)) == len(content), "put counts a stream")
    require(store.put("function", lambda: stream_of(content)) == len(content), "put counts what a function gives")
    require(store.put("view", memoryview(content)) == len(content), "put takes a view")
    for name in ("stream", "function", "view"):
        require(b"".join(store.get(name)) == content, f"`{name}` comes back as it was")


def _a_range_is_that_part_and_no_more(store: BlobStore) -> None:
    content = large_content()
    store.put("ranges", content)
    size = len(content)
    for offset, length in (
        (0, 1),
        (5, 10),
        (1 << 20, 1 << 20),
        (size - 3, None),
        (size - 3, 100),
        (size, None),
        (size, 5),
        (size + 10, 5),
        (7, 0),
        (0, size),
    ):
        end = size if length is None else offset + length
        part = b"".join(store.get("ranges", offset=offset, length=length))
        require(part == content[offset:end], f"{length} bytes from {offset} on are {len(part)} other bytes")


def _a_taken_name_is_refused_and_keeps_its_content(store: BlobStore) -> None:
    store.put("taken", b"first")
    refuses(errors.BLOB_EXISTS, lambda: store.put("taken", b"second"))
    refuses(errors.BLOB_EXISTS, lambda: store.put("taken", stream_of(b"third")))
    require(b"".join(store.get("taken")) == b"first", "the first content stays")


def _of_many_creators_one_wins(store: BlobStore) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(WRITERS)

    def create(number: int) -> None:
        barrier.wait()
        try:
            store.put("race", f"writer {number}".encode())
            outcomes.append(f"writer {number}")
        except errors.BackstayError as error:
            outcomes.append(error.kind.code)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome.startswith("writer")]
    losers = set(outcomes) - set(winners)
    require(len(winners) == 1, f"one writer wins, here: {sorted(outcomes)}")
    require(losers <= {errors.BLOB_EXISTS.code, errors.STORAGE_BUSY.code}, f"the others are told so: {sorted(losers)}")
    require(b"".join(store.get("race")).decode() == winners[0], "the winner's content is there")


def _replacing_is_possible_when_it_is_asked_for(store: BlobStore) -> None:
    store.put("replaced", b"a longer first content")
    store.put("replaced", b"second", create_only=False)
    require(b"".join(store.get("replaced")) == b"second", "the new content is there")
    require(store.stat("replaced").size == 6, "the new size is there")


def _a_stream_that_breaks_leaves_nothing(store: BlobStore) -> None:
    class Broken(Exception):
        pass

    def breaking() -> Iterator[bytes]:
        yield b"x" * LARGE_BYTES
        raise Broken

    for create_only in (True, False):
        try:
            store.put("broken", breaking(), create_only=create_only)
            raise AssertionError("the stream's own exception comes out of put")
        except Broken:
            refuses(errors.BLOB_NOT_FOUND, lambda: store.stat("broken"))
            require(not store.list(), "nothing is listed")
    store.put("kept", b"old")
    try:
        store.put("kept", breaking(), create_only=False)
    except Broken:
        require(b"".join(store.get("kept")) == b"old", "the old content stays")


def _what_is_not_there_is_said_to_be_not_there(store: BlobStore) -> None:
    for name in ("missing", "folder/missing"):
        refuses(errors.BLOB_NOT_FOUND, lambda name=name: store.stat(name))  # type: ignore[misc]
        refuses(errors.BLOB_NOT_FOUND, lambda name=name: list(store.get(name)))  # type: ignore[misc]
        refuses(errors.BLOB_NOT_FOUND, lambda name=name: list(store.get(name, offset=3, length=2)))  # type: ignore[misc]
        refuses(errors.BLOB_NOT_FOUND, lambda name=name: list(store.get(name, length=0)))  # type: ignore[misc]
    store.put("folder/there", b"x")
    refuses(errors.BLOB_NOT_FOUND, lambda: store.stat("folder"))
    refuses(errors.BLOB_NOT_FOUND, lambda: list(store.get("folder")))


def _deleting_twice_is_deleting(store: BlobStore) -> None:
    store.put("folder/gone", b"x")
    store.put("folder/stays", b"y")
    store.delete("folder/gone")
    store.delete("folder/gone")
    store.delete("never/was")
    store.delete("folder")
    refuses(errors.BLOB_NOT_FOUND, lambda: store.stat("folder/gone"))
    require([blob.name for blob in store.list()] == ["folder/stays"], "the other blob stays")
    store.put("folder/gone", b"again")
    require(b"".join(store.get("folder/gone")) == b"again", "the name is free again")


def _a_listing_is_complete_and_sorted(store: BlobStore) -> None:
    names = ["a", "a-b", "a.b", "a0", "a_b", "b/c/d", "b/c.d", "b/c-d", "b/cd", "b/e", "b.x", "B", "z+=@,-/y"]
    require(not store.list(), "an empty store has an empty listing")
    for name in names:
        store.put(name, name.encode())
    listed = store.list()
    require([blob.name for blob in listed] == sorted(names), f"all names, sorted: {[blob.name for blob in listed]}")
    require(all(blob.size == len(blob.name) for blob in listed), "a listing has the sizes")
    for prefix in ("a", "a.", "b", "b/", "b/c", "b/c/", "b/c/d", "b/c/d/", "z+", "none", "b/none/"):
        found = [blob.name for blob in store.list(prefix)]
        require(found == sorted(name for name in names if name.startswith(prefix)), f"`{prefix}` finds {found}")


def _a_bad_name_is_refused_before_anything_happens(store: BlobStore) -> None:
    for name in INVALID_NAMES:
        refuses(errors.BLOB_NAME_INVALID, lambda name=name: store.put(name, b"x"))  # type: ignore[misc]
        refuses(errors.BLOB_NAME_INVALID, lambda name=name: list(store.get(name)))  # type: ignore[misc]
        refuses(errors.BLOB_NAME_INVALID, lambda name=name: store.stat(name))  # type: ignore[misc]
        refuses(errors.BLOB_NAME_INVALID, lambda name=name: store.delete(name))  # type: ignore[misc]
    longest = "/".join(["x" * LONGEST_PART] * 2 + ["y" * (LONGEST_NAME - 2 * LONGEST_PART - 2)])
    store.put(longest, b"x")
    require([blob.name for blob in store.list()] == [longest], "the longest name is a name")


def _a_reader_may_leave_early(store: BlobStore) -> None:
    store.put("large", large_content())
    with closing(store.get("large")) as chunks:
        require(next(chunks)[:4] == large_content()[:4], "the first chunk is the beginning")
    unused = store.get("large")
    unused.close()
    require(store.stat("large").size == LARGE_BYTES, "the store goes on working")


def _a_locked_object_is_kept_until_its_date(store: BlobStore) -> None:
    store.put("locked", b"1")
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(seconds=LOCK_SECONDS)
    try:
        store.lock("locked", until)
    except errors.BackstayError as problem:
        require(problem.kind is errors.LOCK_UNSUPPORTED, f"a store that cannot lock says so, and not {problem}")
        require(store.features().locks is not Answer.YES, "a driver that says it locks does")
        refuses(errors.LOCK_UNSUPPORTED, lambda: store.locked_until("locked"))
        store.delete("locked")
        return
    require(store.features().locks is not Answer.NO, "a driver that says it cannot lock does not")
    require(store.locked_until("locked") == until, "the date of a lock reads back")
    store.lock("locked", now + timedelta(seconds=1))
    require(store.locked_until("locked") == until, "a lock is never made shorter")
    refuses(errors.BLOB_LOCKED, lambda: store.delete("locked"))
    require(read_all(store, "locked", limit_bytes=10) == b"1", "what was not deleted is there")
    refuses(errors.BLOB_NOT_FOUND, lambda: store.lock("nothing", until))
    deadline = time.monotonic() + 5 * LOCK_SECONDS
    while any(blob.name == "locked" for blob in store.list()):
        require(time.monotonic() < deadline, "a lock ends at its date")
        time.sleep(POLL_SECONDS)
        with contextlib.suppress(errors.BackstayError):
            store.delete("locked")
    store.put("locked", b"2", create_only=False)
    require(store.locked_until("locked") is None, "a new object has no lock of an old one")


def _the_driver_answers_for_itself(store: BlobStore) -> None:
    features = store.features()
    require(isinstance(features.create_refuses_existing, Answer), "features are answers")
    require(bool(store.location), "a store has a location")
    store.close()
    store.close()


PROMISES: tuple[Promise, ...] = (
    _what_was_put_is_there_and_survives_a_new_look,
    _nothing_is_something_too,
    _a_stream_is_stored_like_bytes,
    _a_range_is_that_part_and_no_more,
    _a_taken_name_is_refused_and_keeps_its_content,
    _of_many_creators_one_wins,
    _replacing_is_possible_when_it_is_asked_for,
    _a_stream_that_breaks_leaves_nothing,
    _what_is_not_there_is_said_to_be_not_there,
    _deleting_twice_is_deleting,
    _a_listing_is_complete_and_sorted,
    _a_bad_name_is_refused_before_anything_happens,
    _a_reader_may_leave_early,
    _a_locked_object_is_kept_until_its_date,
    _the_driver_answers_for_itself,
)


def require(kept: bool, promise: str) -> None:
    """Raise unless `kept`; plain `assert` would be silent under `python -O`."""
    if not kept:
        raise AssertionError(promise)


def refuses(kind: errors.ErrorKind, call: Callable[[], object]) -> None:
    """The call must raise an error of `kind`."""
    try:
        answer = call()
    except errors.BackstayError as error:
        require(error.kind is kind, f"{kind.code} is due, not {error.kind.code} ({error})")
        return
    raise AssertionError(f"{kind.code} is due, not the answer {answer!r}")


def large_content() -> bytes:
    """A few megabytes in which every offset is told from its neighbours."""
    return b"".join(number.to_bytes(4, "big") for number in range(LARGE_BYTES // 4 + 1))[:LARGE_BYTES]


def stream_of(content: bytes) -> Iterator[bytes]:
    """The content in uneven pieces, an empty one among them."""
    yield content[:10]
    yield b""
    for start in range(10, len(content), 300_007):
        yield content[start : start + 300_007]
