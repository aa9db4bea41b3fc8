"""`ctl watch`: print every change of a key or a range, run a program for each, or take several watches from stdin."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import Any, NoReturn

import click

from backstay import errors
from backstay.cli import invocation
from backstay.cli.ctl.door import BAD_ARGUMENTS, INTERRUPTED, INVALID_INPUT, Ctl, say, told
from backstay.cli.ctl.frame import CtlCommand, arguments, ctl_command, flag, number
from backstay.cli.ctl.interruptions import leaving_for_sure
from backstay.cli.ctl.transaction_text import arguments_of
from backstay.cli.ctl.watch_arguments import KEY_VARIABLE, RANGE_END_VARIABLE, Watched, watched
from backstay.cli.failure import EtcdctlFailure
from backstay.cli.render.etcdctl import go
from backstay.cli.render.etcdctl.keys import event_name, watch_answer
from backstay.etcd.client import Client
from backstay.etcd.pb import rpc_pb2 as rpc
from backstay.etcd.watch import Watcher, message_of

_PROGRAM = "backstay.watch.program"


class WatchCommand(CtlCommand):
    """Keeps what stands after `--` apart from the words before it, which click would join."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            place = args.index("--")
            ctx.meta[_PROGRAM] = tuple(args[place + 1 :])
            args = args[:place]
        return super().parse_args(ctx, args)


@dataclass(slots=True)
class Screen:
    """Where the watches of one command print; one response at a time, and the program after it."""

    ctl: Ctl
    lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, watcher: Watcher, program: tuple[str, ...]) -> None:
        """Print until the watch ends; what etcd says when it cancels goes to stderr."""
        try:
            for batch in watcher:
                with self.lock:
                    self._print(message_of(batch), program)
        except errors.BackstayError as problem:
            with self.lock:
                say(f"watch was canceled ({told(problem)})", err=True)

    def _print(self, response: rpc.WatchResponse, program: tuple[str, ...]) -> None:
        if not response.events:
            say(f"progress notify: {response.header.revision}")
        self.ctl.show(watch_answer(response, is_hex=self.ctl.is_hex))
        sys.stdout.flush()
        if not program:
            return
        for event in response.events:
            self._run(program, {
                "ETCD_WATCH_REVISION": str(response.header.revision),
                "ETCD_WATCH_EVENT_TYPE": go.quoted(event_name(event)),
                "ETCD_WATCH_KEY": go.quoted(event.kv.key),
                "ETCD_WATCH_VALUE": go.quoted(event.kv.value),
            })  # fmt: skip

    def _run(self, program: tuple[str, ...], variables: dict[str, str]) -> None:
        why = run_program(program, variables)
        if why:
            shown = " ".join(go.quoted(word) for word in program)
            say(f"command [{shown}] error ({why})", err=True)
            raise ProgramFailed


class ProgramFailed(Exception):
    """The program of a watch has failed, which ends the watch."""


@ctl_command(
    cls=WatchCommand,
    examples="""
    backstay ctl watch /registry/pods/ --prefix
    backstay ctl watch app/config --rev 4711 --prev-kv -w json
    backstay ctl watch app/config -- sh -c 'echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY'
    backstay ctl watch --interactive
    """,
)
@arguments("[KEY [RANGE_END]] [-- PROGRAM [ARGS]...]")
@flag("--interactive", "-i", help="Read lines `watch ...` and `progress` from standard input.")
@flag("--prefix", help="Every key that begins with KEY.")
@number("--rev", help="Begin with the changes of this revision; 0 is from now on.")
@flag("--prev-kv", help="Print what the key held before, too.")
@flag("--progress-notify", help="Print how far etcd is while nothing changes.")
def command(*, ctl: Ctl, words: tuple[str, ...], interactive: bool, **flags: Any) -> int:
    """Print the changes of KEY, or of a range, as they happen, until interrupted.

    PROGRAM is run for every event, with ETCD_WATCH_REVISION, ETCD_WATCH_EVENT_TYPE, ETCD_WATCH_KEY and ETCD_WATCH_VALUE in
    its environment, the latter three quoted.
    """
    environment = invocation.current().environment
    key, range_end = environment.get(KEY_VARIABLE, ""), environment.get(RANGE_END_VARIABLE, "")
    if range_end and not key:
        sentence = f"{KEY_VARIABLE} is empty but got {RANGE_END_VARIABLE}={go.quoted(range_end)}"
        raise EtcdctlFailure(sentence, BAD_ARGUMENTS)
    if interactive:
        with ctl.client() as client:
            _interactive(ctl, client, (key, range_end))
    program = click.get_current_context().meta.get(_PROGRAM)
    wanted = watched(
        words, program, variable_key=key, variable_range_end=range_end, prefix=flags["prefix"]
    )  # before anything is connected
    with leaving_for_sure(), ctl.client() as client, _watcher(client, wanted, **flags) as watcher:
        try:
            Screen(ctl).follow(watcher, wanted.program)
        except ProgramFailed:
            return 1
    raise EtcdctlFailure("watch is canceled by the server", INTERRUPTED)


def run_program(program: tuple[str, ...], variables: dict[str, str]) -> str:
    """Run a program with more variables; empty when it succeeds, else why not in Go's words."""
    try:
        done = subprocess.run(program, env={**os.environ, **variables}, check=False)
    except FileNotFoundError:
        return f"exec: {go.quoted(program[0])}: executable file not found in $PATH"
    except OSError as problem:
        return f"fork/exec {program[0]}: {(problem.strerror or str(problem)).lower()}"
    if done.returncode < 0:
        return f"signal: {-done.returncode}"
    return f"exit status {done.returncode}" if done.returncode else ""


def _watcher(
    client: Client, wanted: Watched, *, prefix: bool, rev: int, prev_kv: bool, progress_notify: bool
) -> Watcher:
    return client.watch(
        wanted.key, range_end=wanted.range_end, start_revision=rev, previous=prev_kv, progress_notify=progress_notify
    )


def _interactive(ctl: Ctl, client: Client, variables: tuple[str, str]) -> NoReturn:
    """Start a watch for every line `watch ...`; ends, as etcdctl does, with a refusal when the input does."""
    screen = Screen(ctl)
    watchers: list[Watcher] = []
    threads: list[threading.Thread] = []
    try:
        while line := go.text_of(sys.stdin.buffer.readline()):
            if not line.endswith("\n"):
                break
            line = line.removesuffix("\n")
            match list(arguments_of(line)):
                case []:
                    say(f"Invalid command: {line} (watch and progress supported)", err=True)
                case ["watch"] if not variables[0]:
                    say(f"Invalid command {line} (command type or key is not provided)", err=True)
                case ["watch", *words]:
                    watcher, program = _watch_of_line(client, words, variables)
                    watchers.append(watcher)
                    threads.append(threading.Thread(target=_follow, args=(screen, watcher, program), daemon=True))
                    threads[-1].start()
                case ["progress", *_]:
                    for watcher in watchers:
                        watcher.request_progress()
                case _:
                    say(f"Invalid command {line} (only support watch)", err=True)
    finally:
        for watcher in watchers:
            watcher.cancel()
        for thread in threads:
            thread.join()
    raise EtcdctlFailure("error reading watch request line: EOF", INVALID_INPUT)


def _watch_of_line(client: Client, words: list[str], variables: tuple[str, str]) -> tuple[Watcher, tuple[str, ...]]:
    ctx = command.make_context("watch", words)
    flags = {name: value for name, value in ctx.params.items() if name not in ("words", "interactive")}
    key, range_end = variables
    wanted = watched(
        tuple(ctx.params["words"]), ctx.meta.get(_PROGRAM), variable_key=key, variable_range_end=range_end,
        prefix=flags["prefix"],
    )  # fmt: skip
    return _watcher(client, wanted, **flags), wanted.program


def _follow(screen: Screen, watcher: Watcher, program: tuple[str, ...]) -> None:
    try:
        screen.follow(watcher, program)
    except ProgramFailed:
        os._exit(1)  # as etcdctl does; nothing of ours is left to clean up
