"""One script of etcdctl invocations as data, to be replayed by any etcdctl against any server.

    for step, outcome in replay(STEPS, run): ...

`run` gets the finished arguments of a step and answers with what the tool wrote and its exit status. Ids and leases that
a step learns (`keep`) are put into later steps and taken out of every outcome again, so that two replays with the same
history compare equal: `outcome` holds `<lease>` where etcd chose a number. What else may differ between two runs (times,
sizes, indices of the log) a step names itself by its `normalisers`.

Nothing here knows which tool or which server it is; `test_ctl_against_etcdctl` and the suite of tools do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any


class Look(Enum):
    """How much of a stream is compared."""

    WHOLE = "whole"
    FIRST_LINE = "first line"
    """A usage error names the flag in its first line; the usage below it is each tool's own."""
    ANY_ORDER = "any order"
    """Members and keys of a lease come in an order that etcd does not promise."""
    NOTHING = "nothing"


class Normaliser(Enum):
    """What may differ between two runs of the same step: a pattern, and what stands in its place."""

    TOOK = (r"\d+(\.\d+)?(µs|ms|s)\b", "<time>")
    REMAINING = (r'(remaining\(|"ttl":|"TTL" : )\d+', r"\1<seconds>")
    SIZES = (r'\d+(\.\d+)? [kMG]?B\b|\b\d+%|"dbSize(InUse)?":\d+|"DBSize(InUse)?" : \d+', "<size>")
    RAFT = (
        r'"raft(Applied)?Index":\d+|"Raft(Applied)?Index" : \d+|(?<=, )\d+, \d+, \d+(?=, )'
        r"|(?<=[│|]) +\d+ [│|] +\d+ [│|] +\d+ (?=[│|] +[│|])",
        "<log>",
    )
    HASH = (r'"hash":\d+|"Hash" : \d+|(?<=, )\d{6,}(?=, \d|\n)|(?<=[│|] )\d{6,}(?= [│|])', "<hash>")
    WIDTHS = (r"─+|-{4,}| {2,}", " ")
    SPACES = (r" {2,}", " ")

    def __call__(self, text: str) -> str:
        pattern, replacement = self.value
        return re.sub(pattern, replacement, text)


@dataclass(frozen=True, slots=True)
class Step:
    """One invocation. `{name}` in an argument or in the input stands for something that an earlier step kept.

    `user` is NAME:PASSWORD. `keep` names groups of a pattern that is searched in stdout. A step that would run for ever
    is interrupted (SIGINT) as soon as `until` stands in its stdout; its stdin stays open until then.
    """

    arguments: tuple[str, ...]
    input: str = ""
    user: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    keep: str = ""
    until: str = ""
    stdout: Look = Look.WHOLE
    stderr: Look = Look.WHOLE
    normalisers: tuple[Normaliser, ...] = ()

    def __str__(self) -> str:
        return " ".join(self.arguments)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool wrote, and its exit status as a shell reports it (128 + the signal)."""

    stdout: str
    stderr: str
    status: int


Run = Callable[[Step], Outcome]
ID_DIGITS = 16
LOG_LINE = re.compile(r'^\{"level":.*\n', re.MULTILINE)


def replay(steps: Iterable[Step], run: Run, known: dict[str, str] | None = None) -> Iterator[tuple[Step, Outcome]]:
    """Every step with its comparable outcome. `known` are values to begin with (`address`, `directory`)."""
    values = dict(known or {})
    for step in steps:
        outcome = run(_filled(step, values))
        if step.keep and (found := re.search(step.keep, outcome.stdout)):
            values.update({name: text for name, text in found.groupdict().items() if text is not None})
        yield step, comparable(step, outcome, values)


def comparable(step: Step, outcome: Outcome, values: dict[str, str]) -> Outcome:
    """The outcome without what no two runs share."""
    stderr = LOG_LINE.sub("", outcome.stderr)
    streams = ((outcome.stdout, step.stdout), (stderr, step.stderr))
    stdout, stderr = (_cut(_neutral(text, step, values), look) for text, look in streams)
    return Outcome(stdout, stderr, outcome.status)


def _filled(step: Step, values: dict[str, str]) -> Step:
    def fill(text: str) -> str:
        return re.sub(r"\{([a-z_]+)\}", lambda found: values.get(found[1], "0"), text)

    return replace(step, arguments=tuple(fill(each) for each in step.arguments), input=fill(step.input))


def _neutral(text: str, step: Step, values: dict[str, str]) -> str:
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        if not value.isdecimal() or len(value) >= ID_DIGITS:  # a revision is the same in every run
            for spelling in _spellings(value):
                text = re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", f"<{name}>", text)
    for normaliser in step.normalisers:
        text = normaliser(text)
    return text


def _spellings(value: str) -> tuple[str, ...]:
    """An id in decimal and in hex, whichever was kept; other values are themselves."""
    if value.isdecimal() and len(value) >= ID_DIGITS:
        return value, f"{int(value):x}", f"{int(value):016x}"
    if re.fullmatch(r"[0-9a-f]{12,16}", value):
        return value, str(int(value, 16))
    return (value,)


def _cut(text: str, look: Look) -> str:
    if look is Look.ANY_ORDER:
        return " ".join(sorted(re.findall(r'[^\s,"{}\[\]()]+', text)))
    return {Look.WHOLE: text, Look.FIRST_LINE: text.partition("\n")[0], Look.NOTHING: ""}[look]


# --- how the script below is written ---


def ctl(*arguments: str, input: str = "", **settings: Any) -> Step:
    """A step; a wrong flag is compared by its first line."""
    return Step(arguments, input, **settings)


def usage(*arguments: str) -> Step:
    """A step that the tool's own parser refuses."""
    return Step(arguments, stderr=Look.FIRST_LINE)


def formats(*arguments: str, only: str = "simple json fields protobuf", **settings: Any) -> tuple[Step, ...]:
    """The same invocation in several output formats."""
    return tuple(ctl(*arguments, "-w", each, **settings) for each in only.split())


TXN_BOTH = """\
value("app/a") = "1"
mod("app/b") > "0"

put app/txn "from success"
get app/a
get app/ --prefix --keys-only
del app/none --prev-kv

put app/txn "from failure"

"""
TXN_FAILURE = """\
version("app/absent") != "0"

put app/txn no

put app/txn 'from failure' --prev-kv
get --rev=2 app/a
del app/txn2 app/txn9 --range

"""

KEYS: tuple[Step, ...] = (
    ctl("endpoint", "status", "-w", "json", keep=r'"cluster_id":(?P<cluster_number>\d+),"member_id":(?P<member_number>\d+)',
        stdout=Look.NOTHING),
    ctl("member", "list", keep=r"^(?P<member>[0-9a-f]+), started", stdout=Look.NOTHING),
    ctl("put", "app/a", "1"),
    ctl("put", "app/b", "two words"),
    ctl("put", "app/c", input="from stdin\nwith two lines\n"),
    ctl("put", "app/d", "--", "-dash"),
    ctl("put", "--", "-key", "-value"),
    ctl("put", "app/ünïcode", "wörld – ✓"),
    ctl("put", "app/quote", 'a "quoted" \\ back\ttab & <html>'),
    ctl("put", "app/empty", ""),
    ctl("put", "bin", input="\x00\x01\x7f\x80\u2028end"),
    *formats("put", "app/a", "1", "--prev-kv"),
    ctl("put", "app/b", "--ignore-value"),
    ctl("put", "app/b", "two", "--ignore-lease"),
    ctl("put", "app/new", "--ignore-value"),
    ctl("put", "app/b", "x", "--ignore-value"),
    ctl("put"),
    ctl("put", "app/nothing"),
    ctl("put", "", "empty key"),
    ctl("put", "app/a", "1", "--lease", "zz"),
    ctl("put", "app/a", "1", "--lease", "1234567"),
    usage("put", "app/a", "-xyz"),
    *formats("get", "app/a"),
    *formats("get", "app/", "--prefix"),
    *formats("get", "app/a", "app/d"),
    *formats("get", "bin"),
    *formats("get", "app/absent"),
    ctl("get", "app/a", "-w", "table"),
    ctl("get", "app/a", "-w", "unheard-of"),
    ctl("get", "app/a", "-wjson"),
    ctl("get", "-w=fields", "app/a"),
    ctl("--write-out", "json", "get", "app/a"),
    ctl("get", "--hex", "app/ünïcode"),
    ctl("get", "--hex", "bin", "-w", "fields"),
    ctl("get", "app/", "--prefix", "--hex", "-w", "json"),
    ctl("get", "", "--prefix", "--keys-only"),
    ctl("get", "", "--from-key", "--keys-only"),
    ctl("get", "app/c", "--from-key"),
    ctl("get", "app/", "--prefix", "--keys-only"),
    ctl("get", "app/", "--prefix", "--keys-only", "-w", "json"),
    ctl("get", "app/", "--prefix", "--print-value-only"),
    ctl("get", "app/", "--prefix", "--print-value-only", "-w", "json"),
    ctl("get", "app/", "--prefix", "--count-only"),
    ctl("get", "app/", "--prefix", "--count-only", "-w", "fields"),
    ctl("get", "app/", "--prefix", "--limit", "2"),
    ctl("get", "app/", "--prefix", "--limit=2", "-w", "json"),
    ctl("get", "app/", "--prefix", "--limit=3", "-w", "fields"),
    ctl("get", "app/", "--prefix", "--order=DESCEND", "--keys-only"),
    ctl("get", "app/", "--prefix", "--order=ascend", "--sort-by=key", "--keys-only"),
    ctl("get", "app/", "--prefix", "--sort-by=VALUE"),
    ctl("get", "app/", "--prefix", "--sort-by=MODIFY", "--order=DESCEND", "--limit=3"),
    ctl("get", "app/", "--prefix", "--sort-by=create", "--keys-only"),
    ctl("get", "app/", "--prefix", "--sort-by=VERSION", "--order=DESCEND", "--limit=1"),
    ctl("get", "app/", "--prefix", "--sort-by=AGE"),
    ctl("get", "app/", "--prefix", "--order=UP"),
    ctl("get", "app/a", "--rev=2"),
    ctl("get", "app/a", "--rev", "2", "-w", "json"),
    ctl("get", "app/a", "--rev=99999"),
    ctl("get", "app/", "--prefix", "--min-mod-rev=5", "--keys-only"),
    ctl("get", "app/", "--prefix", "--max-mod-rev=5", "--keys-only"),
    ctl("get", "app/", "--prefix", "--min-create-rev=4", "--max-create-rev=6", "-w", "json"),
    ctl("get", "app/", "--prefix", "--min-create-rev=4", "--max-create-rev=3"),
    ctl("get", "app/", "--prefix", "--min-mod-rev=4", "--max-mod-rev=3"),
    ctl("get", "app/a", "--consistency=s"),
    ctl("get", "app/", "--prefix", "--stream", stderr=Look.FIRST_LINE),
    ctl("get", "app/", "--prefix", "--stream", "--limit=2", "-w", "json", stderr=Look.FIRST_LINE),
    ctl("get", "app/", "--prefix", "--stream", "--count-only", "-w", "fields", stderr=Look.FIRST_LINE),
    ctl("get", "app/", "--prefix", "--stream", "--sort-by=value", stderr=Look.FIRST_LINE),
    ctl("get", "app/", "--prefix", "--stream", "--rev=99999", stderr=Look.FIRST_LINE),
    ctl("get", "app/a", "--consistency=x"),
    ctl("get"),
    ctl("get", "app/a", "app/b", "--prefix"),
    ctl("get", "app/a", "--prefix", "--from-key"),
    ctl("get", "app/a", "--keys-only", "--count-only"),
    ctl("get", "app/a", "--prefix=false"),
    usage("get", "app/a", "--limit", "many"),
    usage("get", "app/a", "--limit"),
    usage("get", "app/a", "--prefix=maybe"),
    usage("get", "app/a", "--unheard-of"),
    usage("get", "app/a", "-x"),
    ctl("get", "app/a", environment=(("ETCDCTL_WRITE_OUT", "json"),)),
    ctl("endpoint", "hashkv"),
    *formats("endpoint", "hashkv", "--rev=5", only="simple json table fields"),
    ctl("endpoint", "hashkv", "--rev=99999"),
    ctl("del", "app/absent"),
    *formats("del", "app/a", "--prev-kv", only="simple"),
    *formats("del", "app/b", "--prev-kv", only="json"),
    *formats("del", "app/c", "--prev-kv", only="fields"),
    *formats("del", "app/d", "--prev-kv", only="protobuf"),
    ctl("del", "app/e", "app/r", "--range"),
    ctl("del", "app/ünïcode"),
    ctl("del", "app/", "--prefix"),
    ctl("del", "bin", "--from-key", "--prev-kv", "-w", "json"),
    ctl("del"),
    ctl("del", "a", "b", "c"),
    ctl("del", "a", "b", "--prefix"),
    ctl("del", "a", "--prefix", "--from-key"),
    ctl("del", "", "--prefix"),
    usage("del", "a", "--force"),
)  # fmt: skip

TRANSACTIONS: tuple[Step, ...] = (
    ctl("put", "app/a", "1"),
    ctl("put", "app/b", "2"),
    ctl("txn", input=TXN_BOTH),
    ctl("txn", "-w", "json", input=TXN_BOTH),
    ctl("txn", "-w", "fields", input=TXN_BOTH),
    ctl("txn", "-w", "protobuf", input=TXN_BOTH),
    ctl("txn", "-i", input=TXN_BOTH),
    ctl("txn", "--interactive", input=TXN_FAILURE),
    ctl("txn", "-w", "json", input=TXN_FAILURE),
    ctl("txn", input='c("app/a") > "1"\nm("app/a") < "99999"\nver("app/a") = "1"\nval("app/b") != "1"\n\nget app/b\n\n\n'),
    ctl("txn", input='create("app/absent") = "0"\n\nput "key \\"quoted\\"" "tab\\tline\\n"\nget "key \\"quoted\\""\n\n\n'),
    ctl("txn", input="\n\n\n"),
    ctl("txn", input="no comparison\n\n\n\n"),
    ctl("txn", input='size("app/a") = "1"\n\n\n\n'),
    ctl("txn", input='ver("app/a") = "one"\n\n\n\n'),
    ctl("txn", input='ver("app/a") = 1\n\n\n\n'),
    ctl("txn", input='ver(app/a) = "1"\n\n\n\n'),
    ctl("txn", input='ver("app/a")\n\n\n\n'),
    ctl("txn", input='ver("app/a") = "1"\n'),
    ctl("txn", input='ver("app/a") = "1"'),
    ctl("txn", input=""),
    ctl("txn", input="\nput\n\n\n"),
    ctl("txn", input="\nput app/a 1\nput app/a 2\n\n\n"),
    ctl("txn", input="\nget app/a --limit=1 --rev=99999\n\n\n"),
    ctl("txn", input="\nput app/a 1 --lease=7\n\n\n"),
    ctl("txn", input="\nput app/a 1 --lease=seven\n\n\n"),
    ctl("txn", input="\nget app/a --prefix --from-key\n\n\n"),
    ctl("txn", "surplus"),
    ctl("txn", input="\nput app/a 1 --unheard-of\n\n\n", stderr=Look.NOTHING),
    ctl("txn", input="\nmove app/a app/b\n\n\n", stderr=Look.NOTHING),
)  # fmt: skip

LEASE_ID = r"lease (?P<{}>[0-9a-f]{{16}}) granted"

LEASES: tuple[Step, ...] = (
    ctl("lease", "grant", "1000", keep=LEASE_ID.format("lease")),
    ctl("lease", "grant", "2000", "-w", "json", keep=r'"ID":(?P<number>\d+)'),
    ctl("lease", "grant", "3000", "-w", "fields", keep=r'"ID" : (?P<other_number>\d+)'),
    ctl("lease", "grant"),
    ctl("lease", "grant", "soon"),
    ctl("lease", "grant", "99999999999"),
    ctl("put", "leased/a", "1", "--lease={lease}"),
    ctl("put", "leased/b", "2", "--lease", "{lease}"),
    ctl("put", "leased/a", "3", "--ignore-lease", "--prev-kv"),
    ctl("get", "leased/", "--prefix", "-w", "json"),
    ctl("get", "leased/", "--prefix", "-w", "fields"),
    ctl("get", "leased/a", "--hex", "-w", "fields"),
    *formats("lease", "timetolive", "{lease}", normalisers=(Normaliser.REMAINING,), only="simple json fields table"),
    *formats("lease", "timetolive", "{lease}", "--keys", normalisers=(Normaliser.REMAINING,), stdout=Look.ANY_ORDER,
             only="simple json fields"),
    ctl("lease", "timetolive", "{lease}", "--hex", "-w", "fields", normalisers=(Normaliser.REMAINING,)),
    *formats("lease", "timetolive", "1234567", only="simple json fields"),
    ctl("lease", "timetolive"),
    ctl("lease", "timetolive", "xyz"),
    *formats("lease", "keep-alive", "--once", "{lease}", only="simple json fields"),
    ctl("lease", "keep-alive", "--once", "1234567"),
    ctl("lease", "keep-alive", "1234567"),
    ctl("lease", "keep-alive"),
    ctl("lease", "keep-alive", "{lease}", until="keepalived"),
    ctl("lease", "revoke", "{lease}"),
    ctl("lease", "revoke", "{lease}"),
    ctl("lease", "revoke"),
    ctl("lease", "revoke", "xyz"),
    ctl("get", "leased/", "--prefix"),
    ctl("lease", "grant", "600", keep=LEASE_ID.format("last")),
    ctl("lease", "revoke", "{last}", "-w", "json"),
    ctl("lease", "list", "-w", "json", stdout=Look.NOTHING),
    ctl("lease", "list", stdout=Look.FIRST_LINE),
)  # fmt: skip

WATCH_SETUP: tuple[Step, ...] = (
    ctl("put", "watched/a", "1", "-w", "json", keep=r'"revision":(?P<revision>\d+)'),
    ctl("put", "watched/a", "2"),
    ctl("put", "watched/b", "other"),
    ctl("del", "watched/a"),
    ctl("put", "watched/last", "end"),
)

DELETED_IN_HEX = "DELETE\n" + "".join(f"\\x{byte:02x}" for byte in b"watched/a") + "\n\n"

WATCHES: tuple[Step, ...] = (
    *WATCH_SETUP,
    ctl("watch", "watched/", "--prefix", "--rev={revision}", until="end\n"),
    ctl("watch", "watched/", "--prefix", "--rev={revision}", "--prev-kv", "-w", "json", until="ZW5k"),
    ctl("watch", "watched/", "--prefix", "--rev={revision}", "--prev-kv", "-w", "fields", until='"end"\n"Lease" : 0\n'),
    ctl("watch", "watched/a", "watched/b", "--rev={revision}", "--hex", until=DELETED_IN_HEX),
    ctl("watch", "watched/last", "--rev={revision}", "--", "sh", "-c",
        "echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE done", until="done\n"),
    ctl("watch", "--rev={revision}", "--", "echo", "done", until="done\n",
        environment=(("ETCDCTL_WATCH_KEY", "watched/last"),)),
    ctl("watch", "watched/last", "--rev={revision}", "--", "false"),
    ctl("watch", "-i", input="watch watched/last --rev={revision}\n", until="end\n"),
    ctl("watch", "-i", input="nonsense\n\nwatch\n"),
    ctl("watch", "-i", input=""),
    ctl("watch"),
    ctl("watch", "watched/a", "watched/b", "--prefix"),
    ctl("watch", "watched/a", "--"),
    ctl("watch", "watched/a", environment=(("ETCDCTL_WATCH_KEY", "watched/a"),)),
    ctl("watch", environment=(("ETCDCTL_WATCH_RANGE_END", "watched/b"),)),
    usage("watch", "watched/a", "--rev=now"),
    ctl("compaction", "{revision}"),
    ctl("compaction", "{revision}"),
    ctl("compaction", "999999", "--physical"),
    ctl("compaction"),
    ctl("compaction", "now"),
    ctl("get", "watched/a", "--rev=3"),
    ctl("watch", "watched/a", "--rev=3"),
    ctl("put", "watched/end", "1", "-w", "json", keep=r'"revision":(?P<newest>\d+)'),
    ctl("compaction", "--physical", "{newest}"),
    ctl("endpoint", "hashkv", "--rev=2"),
)  # fmt: skip

GROWING: tuple[Step, ...] = (
    ctl("member", "add", "spare", "--learner", "--peer-urls=http://127.0.0.1:1",
        keep=r"Member +(?P<learner>[0-9a-f]+) added", stdout=Look.ANY_ORDER),
    ctl("member", "list", stdout=Look.ANY_ORDER),
    ctl("member", "list", "-w", "json", stdout=Look.ANY_ORDER),
    ctl("member", "update", "{learner}", "--peer-urls=http://127.0.0.1:2,http://127.0.0.1:3",
        normalisers=(Normaliser.SPACES,)),  # an id that begins with a zero is padded with a blank
    ctl("member", "update", "{learner}", "-w", "json"),
    ctl("member", "promote", "{learner}"),
    ctl("member", "remove", "{learner}", normalisers=(Normaliser.SPACES,)),
    ctl("member", "add", "spare", "--learner", "--peer-urls=http://127.0.0.1:4", "-w", "json",
        keep=r'"member":\{"ID":(?P<learner_number>\d+)', stdout=Look.ANY_ORDER),
    ctl("member", "list", keep=r"(?P<second>[0-9a-f]+), unstarted", stdout=Look.ANY_ORDER),
    ctl("member", "remove", "{second}", "-w", "json"),
)  # fmt: skip
"""A second member comes and goes; a store that serves one member for ever refuses the first step of it."""

CLUSTER: tuple[Step, ...] = (
    *formats("endpoint", "health", only="simple json fields", normalisers=(Normaliser.TOOK,)),
    ctl("endpoint", "health", "-w", "table", normalisers=(Normaliser.TOOK, Normaliser.WIDTHS)),
    ctl("endpoint", "health", "--cluster", normalisers=(Normaliser.TOOK,)),
    ctl("endpoint", "health", "-w", "protobuf"),
    *formats("endpoint", "status", only="simple json fields", normalisers=(Normaliser.SIZES, Normaliser.RAFT)),
    ctl("endpoint", "status", "-w", "table", normalisers=(Normaliser.SIZES, Normaliser.RAFT, Normaliser.WIDTHS)),
    ctl("endpoint", "status", "--cluster", "-w", "json", normalisers=(Normaliser.SIZES, Normaliser.RAFT)),
    ctl("--hex", "endpoint", "status", "-w", "fields", normalisers=(Normaliser.SIZES, Normaliser.RAFT)),
    *formats("endpoint", "hashkv", only="simple json table fields", normalisers=(Normaliser.HASH, Normaliser.WIDTHS)),
    ctl("endpoint", "hashkv", "--cluster", normalisers=(Normaliser.HASH,)),
    ctl("end", "stat", stdout=Look.NOTHING),
    *formats("member", "list", only="simple json table fields protobuf"),
    ctl("member", "list", "--hex", "-w", "json"),
    ctl("member", "list", "--hex", "-w", "fields"),
    ctl("member", "list", "--consistency=s"),
    ctl("member", "list", "--consistency=x", stderr=Look.NOTHING),
    ctl("member", "add"),
    ctl("member", "add", "spare"),
    ctl("member", "add", "spare", "http://127.0.0.1:1"),
    ctl("member", "add", "spare", "--peer-urls=no-url"),
    ctl("member", "remove", "xyz"),
    ctl("member", "remove", "1234567"),
    ctl("member", "remove"),
    ctl("member", "update", "1234567", "--peer-urls=http://127.0.0.1:2"),
    ctl("member", "promote", "1234567"),
    *formats("alarm", "list", only="simple json fields table protobuf"),
    *formats("alarm", "disarm", only="simple json"),
    ctl("alarm", "list", "surplus"),
    ctl("defrag", normalisers=(Normaliser.TOOK,)),
    ctl("defrag", "--cluster", normalisers=(Normaliser.TOOK,)),
    ctl("move-leader"),
    ctl("move-leader", "xyz"),
    ctl("move-leader", "1234567"),
    ctl("move-leader", "{member}"),
    ctl("snapshot", "save", "{directory}/script.db", stdout=Look.FIRST_LINE, stderr=Look.NOTHING),
    ctl("snapshot", "save", stderr=Look.NOTHING),
    usage("unheard-of"),
    ctl("version", stdout=Look.NOTHING),
)  # fmt: skip

ROOT, READER = "root:secret", "reader:pass:word"

ACCESS: tuple[Step, ...] = (
    ctl("auth", "status"),
    ctl("auth", "status", "-w", "json"),
    ctl("auth", "status", "-w", "fields"),
    ctl("auth", "enable", "surplus"),
    ctl("auth", "enable"),
    ctl("user", "add", "root:secret"),
    ctl("user", "add", "root:secret"),
    ctl("user", "add", READER, "-w", "json"),
    ctl("user", "add", "writer", "--new-user-password=flag"),
    ctl("user", "add", "by-stdin", "--interactive=false", input="typed\n"),
    ctl("user", "add", "certified", "--no-password"),
    ctl("user", "add"),
    ctl("user", "add", ":nobody"),
    *formats("user", "list", only="simple json fields table"),
    *formats("user", "get", "root", only="simple json fields"),
    ctl("user", "get", "nobody"),
    ctl("user", "get"),
    ctl("role", "add", "reading"),
    ctl("role", "add", "reading"),
    ctl("role", "add", "writing", "-w", "json"),
    ctl("role", "add", "spare"),
    ctl("role", "add"),
    ctl("role", "grant-permission", "reading", "read", "app/", "--prefix"),
    ctl("role", "grant-permission", "reading", "READ", "point"),
    ctl("role", "grant-permission", "writing", "readwrite", "w/a", "w/z"),
    ctl("role", "grant-permission", "writing", "write", "zone", "--from-key", "-w", "json"),
    ctl("role", "grant-permission", "spare", "readwrite", "", "--prefix"),
    ctl("role", "grant-permission", "spare", "execute", "key"),
    ctl("role", "grant-permission", "spare", "read"),
    ctl("role", "grant-permission", "spare", "read", "a", "b", "--prefix"),
    ctl("role", "grant-permission", "spare", "read", "a", "--prefix", "--from-key"),
    ctl("role", "grant-permission", "nobody", "read", "a"),
    ctl("role", "grant-permission", "spare", "read", "b", "a"),
    *formats("role", "get", "reading", only="simple json fields"),
    *formats("role", "get", "writing", only="simple json fields"),
    ctl("role", "get", "spare"),
    ctl("role", "get", "nobody"),
    *formats("role", "list", only="simple json fields protobuf"),
    ctl("role", "revoke-permission", "spare", "key"),
    ctl("role", "revoke-permission", "spare", "", "--prefix"),
    ctl("role", "revoke-permission", "writing", "w/a", "w/z"),
    ctl("role", "revoke-permission", "spare"),
    ctl("role", "grant-permission", "writing", "readwrite", "w/", "--prefix"),
    ctl("role", "delete", "spare"),
    ctl("role", "delete", "spare"),
    ctl("user", "grant-role", "reader", "reading"),
    ctl("user", "grant-role", "writer", "writing", "-w", "json"),
    ctl("user", "grant-role", "writer", "reading"),
    ctl("user", "grant-role", "writer", "absent"),
    ctl("user", "grant-role", "nobody", "reading"),
    ctl("user", "grant-role", "writer"),
    ctl("user", "get", "writer"),
    ctl("user", "get", "writer", "--detail"),
    ctl("user", "revoke-role", "writer", "reading"),
    ctl("user", "revoke-role", "writer", "reading"),
    ctl("user", "passwd", "by-stdin", "--interactive=false", input="other\n"),
    ctl("user", "passwd", "nobody", "--interactive=false", input="other\n"),
    ctl("user", "delete", "by-stdin"),
    ctl("user", "delete", "by-stdin"),
    ctl("put", "app/visible", "yes"),
    ctl("auth", "enable"),
    ctl("get", "app/visible"),
    ctl("user", "list"),
    ctl("get", "app/visible", user=READER),
    ctl("get", "app/", "--prefix", "-w", "json", user=READER),
    ctl("get", "app", "--prefix", user=READER),
    ctl("put", "app/visible", "no", user=READER),
    ctl("put", "w/x", "1", user="writer:flag"),
    ctl("get", "w/", "--prefix", "--user", "writer", "--password", "flag"),
    ctl("get", "w/", "--prefix", environment=(("ETCDCTL_USER", "writer:flag"),)),
    ctl("del", "w/x", user="writer:flag"),
    ctl("put", "zzz", "1", user="writer:flag"),
    ctl("get", "zzz", user="writer:flag"),
    ctl("txn", input="\nput w/y 1\nget app/visible\n\n\n", user="writer:flag"),
    ctl("watch", "app/", "--prefix", user="writer:flag"),
    ctl("get", "app/visible", user="reader:wrong"),
    ctl("get", "app/visible", user="nobody:wrong"),
    ctl("get", "app/visible", user="certified:wrong"),
    ctl("user", "list", user=READER),
    ctl("user", "list", user=ROOT),
    ctl("user", "get", "reader", user=READER),
    ctl("user", "get", "writer", user=READER),
    ctl("role", "get", "root", user=ROOT),
    ctl("role", "get", "reading", user=READER),
    ctl("role", "list", user=READER),
    ctl("auth", "status", user=ROOT),
    ctl("compaction", "1", user=READER),
    ctl("defrag", user=READER, normalisers=(Normaliser.TOOK,)),
    ctl("endpoint", "health", user=READER, normalisers=(Normaliser.TOOK,)),
    ctl("endpoint", "hashkv", user=READER),
    ctl("member", "list", user=READER, stdout=Look.NOTHING),
    ctl("member", "add", "spare", "--peer-urls=http://127.0.0.1:1", user=READER),
    ctl("alarm", "disarm", user=READER),
    ctl("lease", "grant", "100"),
    ctl("user", "delete", "root", user=ROOT),
    ctl("user", "revoke-role", "root", "root", user=ROOT),
    ctl("auth", "disable", user=READER),
    ctl("auth", "disable", user=ROOT),
    ctl("auth", "status"),
)

CONCURRENCY: tuple[Step, ...] = (
    ctl("lock", "mutex", "echo", "held"),
    ctl("lock", "mutex", "--", "sh", "-c", "exit 3"),
    ctl("lock", "mutex", "--ttl=5", "--", "sh", "-c", 'echo ${ETCD_LOCK_KEY%/*} && test "$ETCD_LOCK_REV" -gt 0'),
    ctl("lock", "mutex", "no-such-program-anywhere"),
    ctl("lock"),
    ctl("lock", "mutex", until="mutex/", stdout=Look.NOTHING),
    ctl("get", "mutex/", "--prefix"),
    ctl("elect"),
    ctl("elect", "election"),
    ctl("elect", "-l", "election", "proposal"),
    ctl("elect", "election", "proposal", until="proposal\n", stdout=Look.NOTHING),
    ctl("get", "election/", "--prefix"),
)

STEPS: tuple[Step, ...] = (*KEYS, *TRANSACTIONS, *LEASES, *WATCHES, *CONCURRENCY, *CLUSTER, *ACCESS)
"""Everything that any fresh single member without TLS can run, in this order."""

STEPS_WITH_GROWTH: tuple[Step, ...] = (*STEPS, *GROWING)
"""The same for an etcd that others may join."""

MUTUAL: tuple[Step, ...] = (
    ctl("put", "secure/a", "1"),
    ctl(
        "get", "secure/a", "-w", "json", keep=r'"cluster_id":(?P<cluster_number>\d+),"member_id":(?P<member_number>\d+)'
    ),
    ctl("txn", input="\nput secure/b 2\nget secure/ --prefix\n\n\n"),
    ctl("endpoint", "health", normalisers=(Normaliser.TOOK,)),
    ctl("endpoint", "status", "-w", "fields", normalisers=(Normaliser.SIZES, Normaliser.RAFT)),
    ctl("member", "list", "-w", "json"),
    ctl("del", "secure/", "--prefix"),
    ctl("user", "add", ROOT),
    ctl("user", "grant-role", "root", "root"),
    ctl("auth", "enable"),
    ctl("get", "secure/a"),
    ctl("user", "list"),
    ctl("user", "list", user=ROOT),
    ctl("auth", "disable", user=ROOT),
)
"""For a server that demands a client certificate, whose common name is `root`."""
