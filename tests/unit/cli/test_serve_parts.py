"""The parts of `backstay serve` that need no server: flags on a command line, log lines, systemd's socket and unit."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
from pathlib import Path

import click
import pytest

from backstay.cli.groups import own_command
from backstay.cli.serve import notify
from backstay.cli.serve.flags import ServeCommand, given_flags, with_two_dashes
from backstay.cli.serve.log import EtcdFormatter, logging_to
from backstay.cli.serve.unit import program_of, systemd_unit
from backstay.server.settings import FLAGS, RENAMED, LogFormat, LogLevel, LogSettings
from backstay.telemetry.log import fields
from tests.peers import NOT_FOUND


def parsed(*arguments: str) -> dict[str, str]:
    found: dict[str, str] = {}

    @own_command(cls=ServeCommand, examples="backstay serve")
    def command(**values: object) -> None:
        found.update(given_flags(values))

    command.main(list(arguments), standalone_mode=False)
    return found


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--name", "a"], {"name": "a"}),
        (["-name", "a"], {"name": "a"}),
        (["-name=a"], {"name": "a"}),
        (["--name=a=b"], {"name": "a=b"}),
        (["--name", "a", "--name", "b"], {"name": "b"}),
        (["--auto-tls"], {"auto-tls": "true"}),
        (["-auto-tls"], {"auto-tls": "true"}),
        (["--pre-vote=false"], {"pre-vote": "false"}),
        (["-pre-vote=F"], {"pre-vote": "false"}),
        (["--quota-backend-bytes", "-1"], {"quota-backend-bytes": "-1"}),
        (["--wal-dir="], {"wal-dir": ""}),
        (["-experimental-max-learners=2"], {"experimental-max-learners": "2"}),
        (["--config-file", "a.yaml"], {"config-file": "a.yaml"}),
        ([], {}),
    ],
)
def test_flags_are_written_as_gos_are(arguments: list[str], expected: dict[str, str]) -> None:
    assert parsed(*arguments) == expected


def test_every_flag_of_the_table_can_be_given() -> None:
    for name in (*FLAGS, *RENAMED):
        assert name in parsed(f"--{name}=true"), name


@pytest.mark.parametrize("arguments", [["--nope"], ["--name"], ["extra"], ["--auto-tls", "true"], ["--auto-tls=x"]])
def test_what_is_no_flag_is_refused(arguments: list[str]) -> None:
    with pytest.raises(click.ClickException):
        parsed(*arguments)


def test_short_options_keep_their_dash() -> None:
    assert with_two_dashes(["-o", "json", "-h", "-ojson", "-"]) == ["-o", "json", "-h", "-ojson", "-"]


def record(message: str, level: int = logging.INFO, **said: object) -> logging.LogRecord:
    logger = logging.getLogger("backstay.test")
    return logger.makeRecord(
        logger.name, level, "/a/b/serve/process.py", 63, message, (), None, extra=fields(**said) if said else None
    )


def test_a_json_line_is_etcds() -> None:
    line = EtcdFormatter(LogFormat.JSON).format(record("ready to serve client requests", client_urls=["http://a:1"]))
    said = json.loads(line)
    assert list(said) == ["level", "ts", "caller", "msg", "client-urls"]
    assert said["level"] == "info"
    assert said["caller"] == "serve/process.py:63"
    assert said["client-urls"] == ["http://a:1"]
    assert '"msg":"ready to serve client requests"' in line


def test_a_console_line_is_etcds() -> None:
    line = EtcdFormatter(LogFormat.CONSOLE).format(record("slow", logging.WARNING, took="2s"))
    moment, *rest = line.split("\t")
    assert moment.endswith("Z")
    assert rest == ["warn", "serve/process.py:63", "slow", '{"took": "2s"}']


def test_only_the_level_that_was_asked_for_is_logged_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "etcd.log"
    before = list(logging.getLogger().handlers)
    with logging_to(LogSettings(LogLevel.WARN, LogFormat.JSON, (str(path),))):
        logging.getLogger("backstay.x").info("not this")
        logging.getLogger("backstay.x").warning("this")
        logging.getLogger("grpc").warning("and this")
    assert [json.loads(line)["msg"] for line in path.read_text().splitlines()] == ["this", "and this"]
    assert logging.getLogger().handlers == before


def test_an_exception_is_logged_with_its_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EtcdFormatter(LogFormat.JSON))
    logger = logging.getLogger("backstay.test.exception")
    logger.addHandler(handler)
    try:
        raise ValueError("odd")
    except ValueError:
        logger.exception("it failed")
    finally:
        logger.removeHandler(handler)
    said = json.loads(stream.getvalue())
    assert said["error"] == "odd"
    assert "Traceback" in said["stacktrace"]


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_of_readiness(tmp_path: Path, abstract: bool) -> None:
    name = f"@backstay-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1) if abstract else name)
        listener.settimeout(5)
        assert notify.notify({"NOTIFY_SOCKET": name}, notify.READY, "STATUS=fine")
        assert listener.recv(100) == b"READY=1\nSTATUS=fine"


def test_without_systemd_nothing_is_said(tmp_path: Path) -> None:
    assert not notify.notify({}, notify.READY)
    assert not notify.notify({"NOTIFY_SOCKET": str(tmp_path / "absent")}, notify.READY)
    assert not notify.notify({"NOTIFY_SOCKET": "relative"}, notify.READY)


def test_the_unit_says_what_systemd_reads_back() -> None:
    said = ["serve", "--data-dir=/var/lib/a b", "--name=50%$x", '--cors="x"']
    unit = systemd_unit(["/usr/bin/backstay"], said, Path("/srv"))
    assert "Type=notify" in unit
    assert '"--data-dir=/var/lib/a b"' in unit
    assert "--name=50%%$$x" in unit
    assert '"--cors=\\"x\\""' in unit


def test_a_unit_starts_what_wrote_it_where_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backstay").touch(0o755)
    monkeypatch.chdir(tmp_path)
    assert program_of(["./backstay", "serve"], "/usr/bin/python3") == (str(tmp_path / "backstay"),)
    assert program_of(["/x/backstay/__main__.py"], "/usr/bin/python3") == ("/usr/bin/python3", "-m", "backstay")
    unit = systemd_unit(["/usr/bin/backstay"], ["serve", "--data-dir=store"], Path("/srv/50% off"))
    assert "WorkingDirectory=/srv/50%% off\n" in unit


def test_systemd_itself_accepts_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "backstay.service"
    path.write_text(systemd_unit(["/bin/true"], ["serve", "--data-dir=/var/lib/backstay"], tmp_path))
    try:
        said = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        pytest.skip(f"{NOT_FOUND}systemd-analyze: it comes with systemd")
    assert said.returncode == 0, said.stderr
