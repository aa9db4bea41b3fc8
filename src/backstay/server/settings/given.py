"""Which texts count: etcd's own precedence.

    with a configuration file   the file alone; flags and environment are ignored
    without one                 flags, then ETCD_* variables; both for one setting is an error, as in etcd

Nothing is read here: the environment is a mapping, the file comes through `read_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backstay import errors
from backstay.server.settings.flags import variable_of
from backstay.server.settings.table import FLAGS, RENAMED

CONFIG_FILE = "config-file"
_PREFIX = "ETCD_"
_NOT_SETTINGS = ("ETCD_UNSUPPORTED_ARCH", "ETCD_VERSION")
"""Variables that etcd reads for other purposes."""

ReadFile = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody wrote for a flag, and where: `--name`, `ETCD_NAME`, `etcd.yaml, name`."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the server's log about its own settings; etcd's words where etcd says the same."""

    message: str
    warns: bool = True
    fields: Mapping[str, object] = field(default_factory=dict)


def gather(
    flags: Mapping[str, str], environment: Mapping[str, str], read_file: ReadFile
) -> tuple[dict[str, Given], list[Notice]]:
    """The texts that count, by flag. `flags` are names without dashes. Raises `SETTING_INVALID`, and what reading raises."""
    path = flags.get(CONFIG_FILE) or environment.get(variable_of(CONFIG_FILE), "")
    if path:
        from backstay.server.settings.config_file import read_settings

        found, notices = read_settings(read_file(path), path)
        said = "loaded server configuration, other configuration command line flags and environment variables will be ignored"
        return found, [Notice(f"{said} if provided", warns=False, fields={"path": path}), *notices]
    given = {name: Given(text, f"--{name}") for name, text in flags.items()}
    notices = _add_environment(given, environment)
    return _present_names(given, notices), notices


def _add_environment(given: dict[str, Given], environment: Mapping[str, str]) -> list[Notice]:
    by_variable = {variable_of(name): name for name in (*FLAGS, *RENAMED)}
    notices: list[Notice] = []
    for variable, text in sorted(environment.items()):
        if not variable.startswith(_PREFIX) or variable in _NOT_SETTINGS or variable == variable_of(CONFIG_FILE):
            continue
        name = by_variable.get(variable)
        if name is None:
            notices.append(Notice("unrecognized environment variable", fields={"environment-variable": variable}))
        elif name in given:
            raise errors.SETTING_INVALID.error(
                f"`{variable}` and `--{name}` are both given",
                where=variable,
                why="etcd refuses to choose between an environment variable and a flag",
                next_step="unset the variable or leave the flag out",
            )
        elif text:
            given[name] = Given(text, variable)
            fields = {"variable-name": variable, "variable-value": text}
            notices.append(Notice("recognized and used environment variable", warns=False, fields=fields))
    return notices


def _present_names(given: Mapping[str, Given], notices: list[Notice]) -> dict[str, Given]:
    present: dict[str, Given] = {}
    for name, each in given.items():
        now = RENAMED.get(name, name)
        if now != name:
            notices.append(Notice(f"--{name} is now called --{now}", fields={"flag": name}))
            if now in given:
                raise errors.SETTING_INVALID.error(f"`--{name}` and `--{now}` are both given", where=each.origin)
        present[now] = each
    return present
