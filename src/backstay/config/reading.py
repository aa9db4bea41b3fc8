"""From the text of `backstay.toml` to a `Configuration`, or to every mistake that it has.

    [tiers.payments]               one's own tier: like = a built-in one, then every, keep, rto, rpo
    state_dir = "/..."             what this host remembers
    [repositories.near]            location; identity; site; keep; lock; requires_copy; form = "plain" with recipients, every
    [clusters.eu]                  endpoints, tier, repositories; cacert, cert, key, user, site, companions

Reading never stops at the first mistake: a value that is wrong is noted and left out, and what depends on it is not
complained about a second time. A text that is no TOML has one mistake, because nothing behind it can be trusted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backstay import errors
from backstay.blobs.location import parse_location
from backstay.config import values
from backstay.config.configuration import Cluster, Configuration, Form, RepositoryEntry
from backstay.config.lines import line_of, lines_of_keys
from backstay.config.mistakes import KeyPath, Mistake, Wrong, Wrongs, element, nearest, one_of, shown
from backstay.policy.retention.periods import Period
from backstay.policy.tiers import BUILT_IN, SHORTEST_RPO, Tier

LARGEST_FILE = 256 * 1024
LONGEST_LINE = 2048
"""tomllib takes time by the square of a dotted key's length, and a key ends with its line."""
PAGE = "docs/reference/configuration.md"

Reader = Callable[[Any], Any]
Keys = Mapping[str, Reader]

_STATE = "state_dir"
_SECTIONS = ("clusters", "repositories", "tiers", _STATE)
_TIER: Keys = {
    "like": lambda value: values.choice(value, tuple(BUILT_IN)),
    **dict.fromkeys(("every", "keep", "rto", "rpo"), values.period),
}
_REPOSITORY: Keys = {
    "location": values.location, "form": values.form, "site": values.site, "recipients": values.recipients,
    "identity": values.identity, "every": values.period, "keep": values.period,
    **dict.fromkeys(("lock", "requires_copy"), values.flag),
}  # fmt: skip
_OTHER_WORDS = {
    "url": "location", "path": "location", "bucket": "location", "kind": "form", "type": "form", "ca": "cacert",
    "trusted-ca-file": "cacert", "certificate": "cert", "cert-file": "cert", "key-file": "key", "private_key": "key",
    "username": "user", "hosts": "endpoints", "servers": "endpoints", "members": "endpoints", "copies": "repositories",
    "targets": "repositories", "schedule": "every", "interval": "every", "frequency": "every", "retention": "keep",
    "base": "like", "extends": "like", "datacenter": "site", "region": "site", "policy": "tier", "encrypt_to": "recipients",
    "object_lock": "lock", "locked": "lock", "immutable": "lock", "worm": "lock", "requires": "requires_copy",
    "identity_file": "identity", "state": "state_dir", "state-dir": "state_dir", "state_directory": "state_dir",
}  # fmt: skip
_SECRETS = ("password", "passphrase", "token", "secret", "access_key", "secret_key", "identity", "auth-jwt-token")
_SYNTAX_HINTS = (
    ("Cannot overwrite", "remove one of the two"),
    ("Cannot declare", "put the keys of both tables under one header"),
    ("Expected '=' after a key", 'write key = "value"'),
    ("Invalid value", 'text stands in quotes: key = "value"'),
    ("Unclosed array", "close the list with ]"),
    ("Unclosed inline table", "close it with }"),
    ("at the end of a table declaration", "close the header with ]"),
    ("Unterminated string", "close the text with its quote"),
    ("Illegal character", "close the text with its quote, on the same line"),
    ("Expected newline", "one key on a line, and text in quotes"),
    ("escaped", "write \\\\ for a backslash"),
)
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a text: `configuration` is None exactly where there are mistakes, which are in the order of lines."""

    configuration: Configuration | None
    mistakes: tuple[Mistake, ...]

    def require(self, file: str) -> Configuration:
        """The configuration; raises `CONFIGURATION_INVALID`, which names every mistake in `file`."""
        if self.configuration is None:
            count = len(self.mistakes)
            raise errors.CONFIGURATION_INVALID.error(
                f"the configuration has {count} mistake{'s' if count > 1 else ''}",
                where=f"{file}:{self.mistakes[0].line}",
                why="\n".join(mistake.text(file) for mistake in self.mistakes),
            )
        return self.configuration


def load(path: Path) -> Configuration:
    """The configuration in a file; raises `CONFIGURATION_INVALID`, and `OSError`."""
    return read_file(path).require(str(path))


def read_file(path: Path) -> Reading:
    """What a file says; raises `OSError`."""
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    return read(content)


def read(content: bytes) -> Reading:
    """What a text says. Raises nothing, whatever it is."""
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        return _unreadable(content.count(b"\n", 0, problem.start) + 1, "it is not UTF-8", "save the file as UTF-8")
    if len(content) > LARGEST_FILE:
        return _unreadable(1, f"it is larger than {LARGEST_FILE} bytes", "name a configuration, and no other file")
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > LONGEST_LINE:
            return _unreadable(number, f"the line is longer than {LONGEST_LINE}", "put each element on its own line")
    try:
        document = tomllib.loads(text)
        lines = lines_of_keys(text)
    except RecursionError:
        return _unreadable(1, "its values are nested too deeply", f"see {PAGE}")
    except ValueError as problem:
        return _no_toml(text, str(problem))
    reader = _DocumentReader(lines)
    configuration = reader.configuration(document)
    mistakes = tuple(sorted(reader.mistakes))
    return Reading(None if mistakes else configuration, mistakes)


def _unreadable(line: int, problem: str, suggestion: str) -> Reading:
    return Reading(None, (Mistake(line, "", problem, "a TOML document", suggestion),))


def _no_toml(text: str, said: str) -> Reading:
    place = _PLACE.search(said)
    line = int(place[1]) if place and place[1] else max(1, text.rstrip().count("\n") + 1)
    hint = next((hint for words, hint in _SYNTAX_HINTS if words in said), f"see {PAGE}")
    return _unreadable(line, _PLACE.sub("", said), hint)


@dataclass(slots=True)
class _DocumentReader:
    lines: Mapping[KeyPath, int]
    mistakes: list[Mistake] = field(default_factory=list)

    def configuration(self, document: Mapping[str, Any]) -> Configuration:
        self.known((), document, _SECTIONS)
        tiers = {**dict.fromkeys(BUILT_IN), **self.section(document, "tiers", self.tier)}
        every_tier = {name: BUILT_IN.get(name) or tier for name, tier in tiers.items()}
        repositories = self.section(document, "repositories", self.repository)
        self.places(repositories)
        clusters = self.section(
            document, "clusters", lambda path, table: self.cluster(path, table, every_tier, repositories)
        )
        state = self.value((_STATE,), document[_STATE], values.path) if _STATE in document else None
        return Configuration(_made(clusters), _made(repositories), _made(every_tier), state)

    def section(
        self, document: Mapping[str, Any], section: str, read_one: Callable[[KeyPath, Any], Any]
    ) -> dict[str, Any]:
        """Every entry of a section by its name; None for those with mistakes."""
        entries = document.get(section, {})
        example = f"[{section}.NAME]"
        if not isinstance(entries, dict):
            self.note((section,), Wrong("it is no table", f"tables {example}", f"begin each with {example}"))
            return {}
        found: dict[str, Any] = {}
        for name, entry in entries.items():
            path = (section, name)
            found[name] = None
            self.value(path, name, lambda text: values.name(text, "main"))
            if isinstance(entry, dict):
                found[name] = read_one(path, entry)
            else:
                self.note(path, Wrong(f"{shown(entry)} is no table", f"a table {example}", f"write [{section}.{name}]"))
        return found

    def tier(self, path: KeyPath, table: Mapping[str, Any]) -> Tier | None:
        name = path[-1]
        if name in BUILT_IN:
            hint = f'call it own-{name} and write like = "{name}"'
            self.note(path, Wrong("it is a built-in tier, which never changes", "another name", hint))
            return None
        said = self.keys(path, table, _TIER, required=() if "like" in table else ("every", "keep", "rto", "rpo"))
        base = BUILT_IN.get(said.get("like", ""))
        parts: dict[str, Period] = {} if base is None else {key: getattr(base, key) for key in _TIER if key != "like"}
        parts |= {key: period for key, period in said.items() if key != "like"}
        if len(parts) < len(_TIER) - 1 or any(key not in said for key in table if key in _TIER):
            return None
        try:
            return Tier(name, **parts)
        except ValueError as problem:
            key, hint = _contradiction(parts)
            self.note((*path, key), Wrong(str(problem), "a promise that can be kept", hint))
            return None

    def repository(self, path: KeyPath, table: Mapping[str, Any]) -> RepositoryEntry | None:
        said = self.keys(path, table, _REPOSITORY, required=("location",))
        plain = said.get("form") is Form.PLAIN
        if plain and "recipients" not in table:
            self.missing(path, "recipients", 'who can read its files: write recipients = ["age1..."]')
        if "recipients" in table and ("form" not in table or said.get("form") is Form.REPOSITORY):
            problem = "a repository keeps its recipients itself"
            hint = 'leave it out and use `backstay recipient`, or write form = "plain"'
            self.note((*path, "recipients"), Wrong(problem, "recipients of plain files only", hint))
        if not plain and "every" in table and not ("form" in table and "form" not in said):
            problem = "a repository gets a point as often as the tier says, at one percent of the size of copies"
            self.note((*path, "every"), Wrong(problem, "`every` of plain files only", "leave it out, or write a tier"))
        for key in ("lock", "requires_copy"):
            if plain and key in table:
                self.note((*path, key), Wrong("plain files know no such rule", "repositories only", "leave it out"))
        every, keep = said.get("every"), said.get("keep")
        if every is not None and keep is not None and keep.length < every.length:
            problem = f"files kept for {keep} are gone before the next one, {every} later"
            self.note((*path, "keep"), Wrong(problem, "a longer time", f'write keep = "{every}" or longer'))
        if plain and "identity" in table:
            problem = "plain files are opened by age or gpg, and not by backstay"
            self.note((*path, "identity"), Wrong(problem, "the identity of a repository only", "leave it out"))
        return RepositoryEntry(path[-1], **said) if "location" in said else None

    def places(self, repositories: Mapping[str, RepositoryEntry | None]) -> None:
        first: dict[tuple[object, ...], str] = {}
        for name, entry in repositories.items():
            if entry is not None and (other := first.setdefault(_place(entry.location), name)) != name:
                problem = f"{other} is at the same place, and one place is one copy"
                hint = f"remove one of the two, or give {name} another place"
                self.note(("repositories", name, "location"), Wrong(problem, "a place of its own", hint))

    def cluster(
        self,
        path: KeyPath,
        table: Mapping[str, Any],
        tiers: Mapping[str, Tier | None],
        repositories: Mapping[str, RepositoryEntry | None],
    ) -> Cluster | None:
        def one(name: str) -> str:
            return values.choice(name, tuple(repositories))

        keys: Keys = {
            "endpoints": values.endpoints,
            "tier": lambda value: values.choice(value, tuple(tiers)),
            "repositories": lambda value: values.list_of(value, one, "names of repositories"),
            **dict.fromkeys(("cacert", "cert", "key"), values.path),
            "user": values.user,
            "site": values.site,
            "companions": values.companions,
            "companion_recipients": values.companion_recipients,
        }
        said = self.keys(path, table, keys, required=("endpoints", "tier", "repositories"))
        for given, other in (("cert", "key"), ("key", "cert")):
            if given in table and other not in table:
                wrong = Wrong(f"it stands without `{other}`", "both or none", f'write {other} = "/..." beside it')
                self.note((*path, given), wrong)
        if "companion_recipients" in table and "companions" not in table:
            hint = 'write companions = ["kubeadm"] beside it'
            self.note((*path, "companion_recipients"), Wrong("it stands without `companions`", "both or none", hint))
        tier = tiers.get(said.pop("tier", ""))
        self.kept(path, tier, [repositories.get(name) for name in said.get("repositories", ())])
        places = [repositories[name] for name in said.pop("repositories", ())]
        entries = tuple(each for each in places if each is not None)
        if tier is None or not entries or "endpoints" not in said:
            return None
        return Cluster(path[-1], tier=tier, repositories=entries, **said)

    def kept(self, path: KeyPath, tier: Tier | None, entries: Collection[RepositoryEntry | None]) -> None:
        """Note where no copy keeps what the tier promises, and where one waits for another that is not there."""
        known = [each for each in entries if each is not None]
        if tier is None or len(known) < len(entries):
            return
        whole = [each for each in known if each.form is Form.REPOSITORY]
        if whole and all(each.keeps(tier).length < tier.keep.length for each in whole):
            problem = f"none of them keeps points for {tier.keep}, which the tier `{tier.name}` promises"
            hint = f'leave `keep` out at one of them, or write keep = "{tier.keep}" there'
            self.note((*path, "repositories"), Wrong(problem, "one repository that keeps the tier's promise", hint))
        for each in whole:
            if each.keeps(tier).length < tier.every.length:
                problem = (
                    f"points of {each.name}, kept for {each.keep}, are gone before the next one, {tier.every} later"
                )
                hint = f'write keep = "{tier.every}" or longer at {each.name}'
                self.note((*path, "repositories"), Wrong(problem, "a longer time", hint))
            if each.requires_copy and len(whole) == 1:
                problem = f"{each.name} lets points go only when another repository holds them, and there is none"
                hint = f"add a repository, or leave `requires_copy` out at {each.name}"
                self.note((*path, "repositories"), Wrong(problem, "a second repository", hint))

    def keys(
        self, path: KeyPath, table: Mapping[str, Any], keys: Keys, required: Collection[str] = ()
    ) -> dict[str, Any]:
        """The values of a table that are right."""
        meant = self.known(path, table, tuple(keys))
        for key in required:
            if key not in table and key not in meant:
                self.missing(path, key, f"write {key} = ..., see {PAGE}")
        found: dict[str, Any] = {}
        for key in table:
            if key in keys and (value := self.value((*path, key), table[key], keys[key])) is not None:
                found[key] = value
        return found

    def known(self, path: KeyPath, table: Mapping[str, Any], known: tuple[str, ...]) -> set[str]:
        """Note every key that is not known; which known ones were meant by them."""
        meant: set[str] = set()
        for key in table:
            if key in known:
                continue
            plain = key.lower().replace("-", "_")
            other = _OTHER_WORDS.get(key.lower(), _OTHER_WORDS.get(plain, ""))
            better = other if other in known else nearest(plain, known)
            if plain.replace("_", "-") in _SECRETS or plain in _SECRETS:
                hint = "leave it out: secrets come from the environment"
            elif better:
                hint = f"did you mean `{better}`?"
                meant.add(better)
            else:
                hint = f"leave it out, or see {PAGE}"
            self.note((*path, key), Wrong("unknown key", one_of(known), hint))
        return meant

    def missing(self, path: KeyPath, key: str, hint: str) -> None:
        self.note(path, Wrong(f"`{key}` is missing", f"a key `{key}`", hint))

    def value(self, path: KeyPath, value: Any, reader: Reader) -> Any:
        try:
            return reader(value)
        except Wrong as wrong:
            self.note(path, wrong)
        except Wrongs as several:
            for index, each in several.by_index.items():
                self.note((*path, element(index)), each)
        return None

    def note(self, path: KeyPath, wrong: Wrong) -> None:
        line = line_of(self.lines, path)
        self.mistakes.append(Mistake(line, _dotted(path), wrong.problem, wrong.expected, wrong.suggestion))


def _place(location: str) -> tuple[object, ...]:
    """Equal for locations that are one place, however they are written."""
    where = parse_location(location)
    other = tuple(where.parameters.get(each, "") for each in ("endpoint", "account"))
    return (where.scheme, where.host, where.port, where.path.rstrip("/"), *other)


def _contradiction(parts: Mapping[str, Period]) -> tuple[str, str]:
    """Which key of a tier to change, and to what."""
    every, keep, rpo = parts["every"], parts["keep"], parts["rpo"]
    if rpo.length < SHORTEST_RPO:
        return "rpo", 'write rpo = "5m" or longer'
    if every.length > rpo.length:
        return "every", f'write every = "{rpo}" or shorter'
    return "keep", f'write keep = "{every if keep.length < every.length else keep}" or longer'


def _dotted(path: KeyPath) -> str:
    parts = (part if re.fullmatch(r"[A-Za-z0-9_-]+|\[\d+\]", part) else shown(part) for part in path)
    return ".".join(parts).replace(".[", "[")


def _made(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry is not None}
