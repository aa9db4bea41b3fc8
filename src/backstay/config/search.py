"""Which file is the configuration: the one that was named, or the first of the usual places that has one.

    --config FILE          a file that was named must be there; nothing else is looked at
    BACKSTAY_CONFIG        the same
    ./backstay.toml
    $XDG_CONFIG_HOME/backstay/backstay.toml      else ~/.config/backstay/backstay.toml
    /etc/backstay/backstay.toml

Files are never merged: what counts stands in one place. An empty variable counts as unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backstay import errors

NAME = "backstay.toml"
VARIABLE = "BACKSTAY_CONFIG"
SYSTEM = Path("/etc/backstay") / NAME


def candidates(environment: Mapping[str, str], directory: Path) -> tuple[Path, ...]:
    """The usual places in their order; `directory` is where the command runs."""
    home, chosen = environment.get("HOME", ""), environment.get("XDG_CONFIG_HOME", "")
    # The specification of these variables says that a relative path is to be ignored.
    base = Path(chosen) if chosen.startswith("/") else Path(home) / ".config" if home.startswith("/") else None
    personal = () if base is None else (base / "backstay" / NAME,)
    return (directory / NAME, *personal, SYSTEM)


def find(named: str, environment: Mapping[str, str], directory: Path) -> Path:
    """The file that counts; `named` is what `--config` said, or empty. Raises `CONFIGURATION_NOT_FOUND`."""
    for text, origin in ((named, "--config"), (environment.get(VARIABLE, ""), VARIABLE)):
        if text:
            path = directory / text
            if not path.is_file():
                raise errors.CONFIGURATION_NOT_FOUND.error(
                    "there is no such configuration", where=text, why=f"{origin} names it, and no file is there"
                )
            return path
    places = candidates(environment, directory)
    for path in places:
        if path.is_file():
            return path
    raise errors.CONFIGURATION_NOT_FOUND.error(
        "there is no configuration", where=str(places[0]), why=f"nor is there {' or '.join(map(str, places[1:]))}"
    )
