"""A handler that does what a test tells it, and a journal that syncs when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backstay import errors
from backstay.errors import BackstayError
from backstay.server.transport import Call, Reply

Answers = Callable[[list[Call]], tuple[list[Reply], Sequence[bytes]]]


def as_written(calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
    """Every call is answered with its place; a call with a body that begins with `write` is journalled."""
    replies: list[Reply] = [b"%d" % place for place in range(len(calls))]
    return replies, [call[3] for call in calls if isinstance(call[3], bytes) and call[3].startswith(b"write")]


class RecordingHandler:
    """Remembers the lists it was given."""

    def __init__(self, answers: Answers = as_written) -> None:
        self.answers = answers
        self.lists: list[list[Call]] = []
        self.ticks = 0
        self.settlings = 0
        self.due: list[bytes] = []
        self.when_settled: Callable[[], None] = lambda: None

    def __call__(self, calls: list[Call]) -> tuple[list[Reply], Sequence[bytes]]:
        self.lists.append(list(calls))
        return self.answers(calls)

    def tick(self) -> Sequence[bytes]:
        self.ticks += 1
        due, self.due = self.due, []
        return due

    def settled(self) -> None:
        self.settlings += 1
        self.when_settled()

    @property
    def calls(self) -> list[Call]:
        """All calls, in order."""
        return [call for calls in self.lists for call in calls]


class HeldJournal:
    """Keeps what is submitted until `sync` is called."""

    def __init__(self) -> None:
        self.submitted: list[tuple[list[bytes], Callable[[BackstayError | None], None]]] = []
        self.synced = 0
        self.failure: BackstayError | None = None

    def submit(self, entries: Sequence[bytes], done: Callable[[BackstayError | None], None]) -> None:
        if self.failure is not None:
            raise self.failure
        self.submitted.append((list(entries), done))

    def sync(self, count: int | None = None) -> None:
        """The next `count` submissions (all, by default) are on disk."""
        upto = len(self.submitted) if count is None else self.synced + count
        for _, done in self.submitted[self.synced : upto]:
            done(None)
        self.synced = upto

    def fail(self) -> None:
        """The disk is broken."""
        self.failure = errors.JOURNAL_STOPPED.error("the journal cannot be written any more", why="a test")
        for _, done in self.submitted[self.synced :]:
            done(self.failure)


class QuickJournal(HeldJournal):
    """Syncs at once, on the caller's thread."""

    def submit(self, entries: Sequence[bytes], done: Callable[[BackstayError | None], None]) -> None:
        super().submit(entries, done)
        self.sync()
