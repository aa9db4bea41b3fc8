"""The one place where something that went wrong becomes text on stderr and an exit status.

`main.run` catches, this module describes. Text is

    Error: what
      where: ...
      why: ...
      next: ...
      code: some-code (backstay explain some-code)

and with `--log-format json` or `-o json` one JSON object on one line. A traceback is shown only for a defect, and only
with `--log-format json`, `--debug` or `BACKSTAY_DEBUG`.
"""

from __future__ import annotations

import errno
import json
import traceback
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import click

from backstay import errors
from backstay.cli.groups import Command
from backstay.cli.options import UnsupportedOutputFormat
from backstay.cli.statuses import ExitStatuses, Failure
from backstay.errors import BackstayError


class EtcdctlFailure(click.ClickException):
    """What etcdctl says in one line where it fails, and its exit status; printed as it is, without an explanation."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


_CREDENTIALS = (errors.CREDENTIALS_INVALID, errors.CREDENTIALS_UNREADABLE)
_KIND_BY_ERRNO: Mapping[int, errors.ErrorKind] = {
    errno.ENOENT: errors.SOURCE_NOT_FOUND,
    errno.EACCES: errors.SOURCE_UNREADABLE,
    errno.EPERM: errors.SOURCE_UNREADABLE,
    errno.EEXIST: errors.TARGET_EXISTS,
    errno.ENOTEMPTY: errors.TARGET_EXISTS,
    errno.EROFS: errors.TARGET_UNWRITABLE,
    errno.ENOSPC: errors.TARGET_FULL,
    errno.EDQUOT: errors.TARGET_FULL,
    errno.ECONNREFUSED: errors.ENDPOINT_UNREACHABLE,
    errno.EHOSTUNREACH: errors.ENDPOINT_UNREACHABLE,
    errno.ENETUNREACH: errors.ENDPOINT_UNREACHABLE,
    errno.ETIMEDOUT: errors.DEADLINE_EXCEEDED,
    errno.ECONNRESET: errors.STREAM_BROKEN,
}


def describe(failure: BaseException) -> BackstayError:
    """`failure` as one of the declared errors; a defect becomes `errors.UNEXPECTED`."""
    if isinstance(failure, EtcdctlFailure) and isinstance(failure.__cause__, BackstayError):
        return failure.__cause__
    if isinstance(failure, BackstayError):
        return failure
    if isinstance(failure, click.ClickException):
        return _usage(failure)
    if isinstance(failure, KeyboardInterrupt | click.Abort):
        return errors.INTERRUPTED.error("interrupted", why=str(failure))
    if isinstance(failure, OSError):
        kind = _KIND_BY_ERRNO.get(failure.errno or 0, errors.INPUT_OUTPUT)
        names = [str(name) for name in (failure.filename, failure.filename2) if name is not None]
        return kind.error(failure.strerror or str(failure) or type(failure).__name__, where=", ".join(names))
    return errors.UNEXPECTED.error(
        f"unexpected {type(failure).__name__}", where=_innermost_line(failure), why=str(failure)
    )


def exit_status(failure: BaseException, command: click.Command | None) -> int:
    """The exit status for `failure` of `command`; None is where no command was recognised."""
    if isinstance(failure, EtcdctlFailure):
        return failure.status
    error = describe(failure)
    statuses = command.statuses if isinstance(command, Command) else None
    return int(error.kind.exit_status) if statuses is None else _etcd_status(failure, error, statuses)


def wants_json(failure: BaseException, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether an error is to be JSON; read off the raw arguments, because they may be what is wrong.

    What etcdctl says stays text with `-w json`, as there.
    """
    log_format = output = ""
    before_end = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    for text, following in zip(before_end, [*before_end[1:], ""], strict=True):
        name, equals, value = text.partition("=")
        if name == "--log-format":
            log_format = value if equals else following
        elif name in ("--output", "--write-out", "-o", "-w"):
            output = value if equals else following
        elif text in ("-ojson", "-wjson"):
            output = "json"
    log_format = log_format or environment.get("BACKSTAY_LOG_FORMAT", "")
    follows_output = not log_format and not isinstance(failure, EtcdctlFailure)
    return log_format == "json" or (follows_output and output == "json")


def render(failure: BaseException, *, status: int, as_json: bool, with_traceback: bool) -> str:
    """The text for stderr, without the last line break."""
    if isinstance(failure, EtcdctlFailure) and not as_json:
        return f"Error: {failure.message}"
    error = describe(failure)
    trace = "".join(traceback.format_exception(failure)) if error.kind is errors.UNEXPECTED else ""
    if as_json:
        return _json(error, status, trace)
    lines = [f"Error: {error.what}"]
    for label, text in (("where", error.where), ("why", error.why), ("next", error.next_step)):
        if text:
            lines += [f"  {label}: " + text.replace("\n", "\n    ")]
    lines.append(f"  code: {error.kind.code} (backstay explain {error.kind.code})")
    if trace and with_traceback:
        lines.append(trace.rstrip("\n"))
    return "\n".join(lines)


def _json(error: BackstayError, status: int, trace: str) -> str:
    fields: dict[str, object] = {
        "level": "error",
        "code": error.kind.code,
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "next": error.next_step,
        "retryable": error.kind.retryable,
        "exit": status,
    }
    if trace:
        fields["traceback"] = trace
    return json.dumps(fields, ensure_ascii=False)


def _usage(failure: click.ClickException) -> BackstayError:
    message = failure.format_message().rstrip(".")
    ctx = failure.ctx if isinstance(failure, click.UsageError) else None
    if isinstance(failure, click.FileError):
        return errors.SOURCE_UNREADABLE.error(message, where=failure.ui_filename)
    path = ctx.command_path if ctx is not None else "backstay"
    return errors.USAGE.error(message, where=path, next_step=f"see `{path} --help`")


def _etcd_status(failure: BaseException, error: BackstayError, statuses: ExitStatuses) -> int:
    if isinstance(failure, UnsupportedOutputFormat):
        return statuses.of(Failure.OUTPUT_FORMAT)
    if isinstance(failure, click.MissingParameter):
        missing_argument = isinstance(failure.param, click.Argument)
        return statuses.of(Failure.ARGUMENTS if missing_argument else Failure.FLAGS)
    if isinstance(failure, click.BadParameter | click.NoSuchOption | click.BadOptionUsage):
        return statuses.of(Failure.FLAGS)
    if error.kind is errors.USAGE:
        return statuses.of(Failure.ARGUMENTS)
    if error.kind is errors.INTERRUPTED:
        return statuses.of(Failure.INTERRUPTED)
    if error.kind in _CREDENTIALS:
        return statuses.of(Failure.CREDENTIALS)
    return statuses.of(Failure.OTHER)


def _innermost_line(failure: BaseException) -> str:
    frames = traceback.extract_tb(failure.__traceback__)
    ours = [frame for frame in frames if "backstay" in PurePath(frame.filename).parts] or frames
    return f"{PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
