"""etcd under systemd: the unit, its drop-ins, and the settings files that it names or that guides use.

Understands what such units hold: ExecStart with a shell around it or not, Environment=, EnvironmentFile=, variables and
the common specifiers in flags. It is not systemd: what it cannot know (`%i` of an instance) stays as it is written.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.etcd.discovery import credentials, flags
from backstay.etcd.discovery.credentials import Pair
from backstay.etcd.discovery.host_files import HostFiles
from backstay.etcd.discovery.installation import Installation, InstallationKind

UNITS = (
    "/etc/systemd/system/etcd.service",
    "/run/systemd/system/etcd.service",
    "/usr/lib/systemd/system/etcd.service",
    "/lib/systemd/system/etcd.service",
)
SETTINGS_FILES = (
    "/etc/default/etcd",
    "/etc/sysconfig/etcd",
    "/etc/etcd.env",
    "/etc/etcd/etcd.conf",
    "/etc/etcd/etcd.conf.yml",
    "/etc/etcd/etcd.conf.yaml",
)
"""Files that guides and packages put settings in, as variables or as the YAML of --config-file."""

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")
_PREFIXES = "@-:+!|"


@dataclass(slots=True)
class _Service:
    """The lines of [Service] that matter, in the order of systemd: a drop-in adds, an empty value clears."""

    commands: list[str] = field(default_factory=list)
    assignments: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def take(self, name: str, value: str) -> None:
        lists = {"ExecStart": self.commands, "Environment": self.assignments, "EnvironmentFile": self.files}
        if (lines := lists.get(name)) is not None:
            if value:
                lines.append(value)
            else:
                lines.clear()


def read_unit(files: HostFiles, host_path: str) -> Installation:
    """The etcd of a unit. Raises `OSError`, and `ValueError` with what is wrong with it."""
    service = _Service()
    for path in [host_path, *files.names(f"{host_path}.d", ".conf")]:
        _read_service(files.read(path), service)
    if not service.commands:
        raise ValueError("it has no ExecStart")
    variables: dict[str, str] = {}
    for line in service.assignments:
        for word in _words(_specified(line, files)):
            if assignment := _ASSIGNMENT.fullmatch(word):
                variables[assignment[1]] = assignment[2]
    for path in service.files:
        variables.update(_variables_of(files, _specified(path, files)))
    words = _command(service.commands[-1], variables, files)
    settings = {**flags.of_variables(variables), **flags.of_words(words)}
    return _installation(files, host_path, InstallationKind.SYSTEMD, settings, variables)


def read_settings(files: HostFiles, host_path: str) -> Installation:
    """The etcd that a settings file alone speaks of. Raises as `read_unit` does."""
    text = files.read(host_path)
    variables = variables_of(text)
    settings = flags.of_variables(variables) or ({} if variables else flags.of_yaml(text))
    if not settings:
        raise ValueError("it holds no settings of etcd")
    return _installation(files, host_path, InstallationKind.SETTINGS_FILE, settings, variables)


def variables_of(text: str) -> dict[str, str]:
    """The variables of an environment file."""
    variables = {}
    for line in text.replace("\\\n", "").splitlines():
        assignment = _ASSIGNMENT.fullmatch(line.strip())
        if assignment:
            variables[assignment[1]] = _unquoted(assignment[2].strip())
    return variables


def _installation(
    files: HostFiles,
    host_path: str,
    kind: InstallationKind,
    settings: Mapping[str, str],
    variables: Mapping[str, str],
) -> Installation:
    settings = dict(settings)
    if "config-file" in settings:  # etcd reads nothing else then
        settings = {"config-file": settings["config-file"], **flags.of_yaml(files.read(settings["config-file"]))}
    own = Pair(variables.get("ETCDCTL_CERT", ""), variables.get("ETCDCTL_KEY", ""))
    if authority := variables.get("ETCDCTL_CACERT", ""):
        settings.setdefault("trusted-ca-file", authority)
    choice = credentials.of_server(files, settings, [own] if own.certificate and own.key else [])
    name = settings.get("name", flags.DEFAULT_NAME)
    return Installation(
        kind=kind,
        name=name,
        found_in=files.path(host_path),
        client_urls=flags.client_urls(settings),
        credentials=choice.credentials,
        data_dir=files.path(settings.get("data-dir") or f"/var/lib/etcd/{name}.etcd"),
        flags=settings,
        paths=flags.paths(files, settings),
        problem=choice.problem,
    )


def _read_service(text: str, service: _Service) -> None:
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            service.take(name.strip(), value.strip())


def _variables_of(files: HostFiles, path: str) -> dict[str, str]:
    is_optional = path.startswith("-")
    try:
        return variables_of(files.read(path.lstrip("-")))
    except FileNotFoundError:
        if is_optional:
            return {}
        raise


def _command(line: str, variables: Mapping[str, str], files: HostFiles) -> list[str]:
    """The words behind the program etcd; those of a shell's `-c` are looked through."""
    words = _words(_specified(line.lstrip(_PREFIXES), files))
    if not any(_is_etcd(word) for word in words):
        words = [inner for word in words for inner in (_words(word) if " " in word else [word])]
    places = [index for index, word in enumerate(words) if _is_etcd(word)]
    if not places:
        raise ValueError("its ExecStart does not run etcd")
    filled = [_VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), word) for word in words]
    behind = filled[places[0] + 1 :]
    return [word for each in behind for word in (_words(each) if " " in each and each.startswith("-") else [each])]


def _is_etcd(word: str) -> bool:
    """Whether a word is the program; `--data-dir=/data/etcd` and a shell's whole script end in the same letters."""
    return posixpath.basename(word) == "etcd" and not word.startswith("-") and " " not in word


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as problem:
        raise ValueError(f"`{text[:80]}` cannot be split into words ({problem})") from problem


def _specified(text: str, files: HostFiles) -> str:
    """`text` with systemd's specifiers for a unit of the name etcd.service."""
    if "%" not in text:
        return text
    try:
        host = files.read("/etc/hostname").strip()
    except (OSError, ValueError):
        host = "%H"
    for specifier, value in (("%p", "etcd"), ("%N", "etcd"), ("%n", "etcd.service"), ("%H", host), ("%%", "%")):
        text = text.replace(specifier, value)
    return text


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" else text
