"""Which file counts: a named one or nothing, then the usual places in their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.config.search import SYSTEM, candidates, find
from backstay.errors import BackstayError


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    return path


def test_the_first_place_that_has_one_counts(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    here = tmp_path / "here"
    personal = write(tmp_path / "xdg/backstay/backstay.toml")
    assert find("", environment, here) == personal
    nearby = write(here / "backstay.toml")
    assert find("", environment, here) == nearby
    by_variable = write(tmp_path / "variable.toml")
    environment["BACKSTAY_CONFIG"] = str(by_variable)
    assert find("", environment, here) == by_variable
    by_option = write(here / "option.toml")
    assert find("option.toml", environment, here) == by_option


def test_the_places_without_variables(tmp_path: Path) -> None:
    assert candidates({}, tmp_path) == (tmp_path / "backstay.toml", SYSTEM)
    home = {"HOME": "/home-of-mine", "XDG_CONFIG_HOME": "relative"}
    assert candidates(home, tmp_path)[1] == Path("/home-of-mine/.config/backstay/backstay.toml")


@pytest.mark.parametrize(("named", "environment"), [("no.toml", {}), ("", {"BACKSTAY_CONFIG": "no.toml"})])
def test_a_named_file_that_is_not_there_is_never_replaced(
    named: str, environment: dict[str, str], tmp_path: Path
) -> None:
    write(tmp_path / "backstay.toml")
    with pytest.raises(BackstayError) as caught:
        find(named, environment, tmp_path)
    assert caught.value.kind.code == "configuration-not-found"
    assert caught.value.where == "no.toml"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    nearby = write(tmp_path / "backstay.toml")
    assert find("", {"BACKSTAY_CONFIG": ""}, tmp_path) == nearby
