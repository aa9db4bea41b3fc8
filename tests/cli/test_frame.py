"""The frame around the commands: parsing on both sides of a command, exit statuses, and the text of errors."""

from __future__ import annotations

import json
import re

import pytest

from backstay.cli.main import run
from tests.cli.samples import root


def line(*arguments: str, **environment: str) -> int:
    return run(arguments, environment, root())


def test_help_lists_commands_under_their_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("--help") == 0
    out = capsys.readouterr().out
    assert "Snapshots:\n  snapshot status  Do as etcd does\n" in out
    assert "Look inside:\n  look             Look at what was given\n" in out
    assert "--endpoints " not in out.partition("Options:")[2]


@pytest.mark.parametrize("arguments", [(), ("snapshot",)])
def test_a_group_alone_shows_its_help(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert line(*arguments) == 0
    assert capsys.readouterr().out.startswith("Usage: backstay")


def test_examples_are_shown_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("look", "-h") == 0
    out = capsys.readouterr().out
    assert out.endswith("\nExamples:\n  backstay look here --yes\n")
    assert "\nConnection (also from BACKSTAY_* and ETCDCTL_* variables):\n" in out
    assert "\n  --hex " in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("--version") == 0
    assert capsys.readouterr().out == "backstay 0.1.0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--endpoints=a:1", "-w", "json", "snapshot", "status", "F", "--skip-hash-check"),
        ("snapshot", "--endpoints", "a:1", "-w=json", "status", "--skip-hash-check=true", "F"),
        ("snapshot", "status", "F", "--endpoints", "a:1", "-ojson", "--skip-hash-check"),
        ("-w", "table", "--debug", "snapshot", "status", "F", "-w", "json", "--endpoints=a:1", "--skip-hash-check=t"),
    ],
)
def test_etcdctl_options_stand_on_either_side(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert line(*arguments) == 0
    assert capsys.readouterr().out == "F json True ('a:1',)\n"


def test_a_switch_does_not_swallow_the_next_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("--insecure-transport", "snapshot", "status", "--skip-hash-check", "F") == 0
    assert capsys.readouterr().out == "F simple True None\n"


def test_endpoints_of_both_sides_add_up_and_the_last_user_wins(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("--endpoints=a,b", "--user=x", "look", "here", "--endpoints=c", "--user", "y:z") == 0
    assert "('a', 'b', 'c') y None\n" in capsys.readouterr().out


def test_environment_reaches_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"ETCDCTL_ENDPOINTS": "e:1", "ETCDCTL_COMMAND_TIMEOUT": "1m", "ETCDCTL_WRITE_OUT": "fields"}
    assert line("look", "here", **environment) == 0
    assert capsys.readouterr().out.endswith("('e:1',) None 60.0\n")
    assert line("snapshot", "status", "F", **environment) == 0
    assert capsys.readouterr().out == "F fields False ('e:1',)\n"


def test_quiet_and_json_notes(capsys: pytest.CaptureFixture[str]) -> None:
    assert line("look", "here", "--log-format", "json") == 0
    assert json.loads(capsys.readouterr().err) == {"level": "info", "message": "looking", "source": "here"}
    for quiet in ("-q", "-q=true", "--quiet", "--quiet=true"):
        assert line("look", "here", quiet) == 0
        assert capsys.readouterr().err == ""


OWN_STATUSES = {
    ("look",): 2,
    ("look", "a", "b"): 2,
    ("look", "a", "--bogus"): 2,
    ("look", "a", "--dial-timeout", "5"): 2,
    ("look", "a", "-o", "simple"): 2,
    ("look", "a", "--discovery-srv", "example.com"): 2,
    ("look", "a", "--fail", "contradiction"): 2,
    ("look", "a", "--fail", "declared"): 4,
    ("look", "a", "--fail", "credentials"): 7,
    ("look", "a", "--fail", "full"): 8,
    ("look", "a", "--fail", "absent"): 12,
    ("look", "a", "--fail", "interrupt"): 130,
    ("look", "a", "--fail", "defect"): 1,
    ("look", "a", "--fail", "warnings"): 3,
    ("look", "a", "--fail", "pipe"): 141,
    ("bogus",): 2,
    ("snapshot", "bogus"): 2,
}
# Read off etcdctl and etcdutl 3.5.1, 3.5.35, 3.6.16 and 3.7.3.
ETCD_STATUSES = {
    ("snapshot", "status"): 128,
    ("snapshot", "status", "a", "b"): 128,
    ("snapshot", "status", "a", "--bogus"): 1,
    ("snapshot", "status", "a", "--dial-timeout", "5"): 1,
    ("snapshot", "status", "a", "-w", "protobuf"): 4,
    ("snapshot", "status", "a", "-w", "bogus"): 4,
    ("snapshot", "status", "a", "--fail", "contradiction"): 128,
    ("snapshot", "status", "a", "--fail", "credentials"): 128,
    ("snapshot", "status", "a", "--fail", "declared"): 5,
    ("snapshot", "status", "a", "--fail", "absent"): 5,
    ("snapshot", "status", "a", "--fail", "interrupt"): 5,
    ("snapshot", "status", "a", "--fail", "defect"): 5,
}


@pytest.mark.parametrize(("arguments", "status"), [*OWN_STATUSES.items(), *ETCD_STATUSES.items()])
def test_exit_status(arguments: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert line(*arguments) == status
    silent = arguments[-1] in ("warnings", "pipe")
    assert capsys.readouterr().err.startswith("Error: ") is not silent


def test_text_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    line("look", "a", "--fail", "declared")
    assert capsys.readouterr().err == (
        "Error: wrong hash\n"
        "  where: a.db\n"
        "  why: expected 1\n"
        "    got 2\n"
        "  next: use another copy of this snapshot; `--skip-hash-check` would restore the damage too\n"
        "  code: trailer-mismatch (backstay explain trailer-mismatch)\n"
    )


def test_text_of_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    line("snapshot", "status")
    assert capsys.readouterr().err == (
        "Error: Missing argument 'FILE'\n"
        "  where: backstay snapshot status\n"
        "  next: see `backstay snapshot status --help`\n"
        "  code: usage (backstay explain usage)\n"
    )


def test_a_misspelt_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    line("snapshto")
    assert "Did you mean 'snapshot'?" in capsys.readouterr().err


@pytest.mark.parametrize("wish", [("--log-format=json",), ("-o", "json"), ("-w=json",), ("--output=json",)])
def test_an_error_as_json(wish: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert line("look", "a", *wish, "--fail", "declared") == 4
    assert json.loads(capsys.readouterr().err) == {
        "level": "error",
        "code": "trailer-mismatch",
        "what": "wrong hash",
        "where": "a.db",
        "why": "expected 1\ngot 2",
        "next": "use another copy of this snapshot; `--skip-hash-check` would restore the damage too",
        "retryable": False,
        "exit": 4,
    }


def test_a_traceback_is_shown_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    line("look", "a", "--fail", "defect")
    short = capsys.readouterr().err
    assert re.match(r"Error: unexpected RuntimeError\n  where: \w+\.py:\d+\n", short)
    assert "  why: boom\n" in short
    assert "Traceback" not in short
    line("look", "a", "--fail", "defect", BACKSTAY_DEBUG="1")
    assert "Traceback" in capsys.readouterr().err
    line("look", "a", "--fail", "defect", "--log-format", "json")
    assert "Traceback" in json.loads(capsys.readouterr().err)["traceback"]
