"""backstay as a process: what `--help` imports, signals, closed pipes, full disks and completion."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
HEAVY = ("grpc", "rich", "cryptography", "yaml", "google", "asyncio", "backstay.formats", "backstay.snapshot")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ETCDCTL_", "BACKSTAY_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(SOURCE), *filter(None, [kept.get("PYTHONPATH")])]), **more}


def backstay(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "backstay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**more), timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["bogus"]])
def test_help_imports_no_command_and_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv[1:] = " + repr(arguments) + "; from backstay.__main__ import main; main();"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60, check=True
    )
    modules = done.stderr.split()
    assert not [name for name in modules for heavy in HEAVY if name == heavy or name.startswith(heavy + ".")]
    assert not [name for name in modules if name.startswith("backstay.cli.learn")]
    assert len(modules) < 250


def test_gnu_style_exit_of_an_unknown_command() -> None:
    done = backstay("explian")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Did you mean 'explain'?" in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "backstay", "explain"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_does_not_fit_is_an_error() -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "backstay", "explain"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    assert done.returncode == 8
    assert done.stderr.startswith(b"Error: No space left on device\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_the_command_clean_up(number: signal.Signals, tmp_path: Path) -> None:
    code = f"""
import signal, sys, types, click
from backstay.cli import commands, main
from backstay.cli.groups import own_command
for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
@own_command(examples="backstay wait")
def wait():
    try:
        print("ready", flush=True)
        signal.pause()
    finally:
        open({str(tmp_path / "cleaned")!r}, "w").close()
sys.modules["waiting"] = types.SimpleNamespace(command=wait)
commands.TABLE = (commands.Entry("wait", commands.Section.LEARN, "Wait", "waiting"),)
main.build_root.__defaults__ = (commands.TABLE, {{}})
from backstay.__main__ import main as start
sys.argv[1:] = ["wait"]
sys.exit(start())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.startswith("Error: interrupted\n")
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    done = backstay("completion", shell)
    assert done.returncode == 0
    assert "_BACKSTAY_COMPLETE" in done.stdout


def test_completion_answers_the_shell() -> None:
    done = backstay(COMP_WORDS="backstay exp", COMP_CWORD="1", _BACKSTAY_COMPLETE="bash_complete")
    assert done.stdout == "plain,explain\n"
    done = backstay(COMP_WORDS="backstay completion ", COMP_CWORD="2", _BACKSTAY_COMPLETE="bash_complete")
    assert done.stdout == "plain,bash\nplain,zsh\nplain,fish\n"
