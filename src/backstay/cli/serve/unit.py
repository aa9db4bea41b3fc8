"""A systemd unit for exactly the flags that were given: printed, never installed."""

from __future__ import annotations

from collections.abc import Sequence

_UNIT = """\
# Written by `backstay serve --print-systemd-unit`. Save it as /etc/systemd/system/backstay.service, then
#   systemctl daemon-reload && systemctl enable --now backstay
[Unit]
Description=backstay: an etcd v3 store
Documentation=man:backstay-serve(1)
After=network-online.target
Wants=network-online.target
# Real etcd would want the same ports.
Conflicts=etcd.service

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Drains by itself within seconds; a directory that was not closed opens all the same.
TimeoutStopSec=30
# Told to end before it served.
SuccessExitStatus=130
Restart=on-failure
RestartSec=2
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=true
ProtectSystem=full
ProtectKernelTunables=true
ProtectControlGroups=true
RestrictSUIDSGID=true

[Install]
WantedBy=multi-user.target
"""


def systemd_unit(program: str, arguments: Sequence[str]) -> str:
    """The unit that runs `program` with `arguments`."""
    return _UNIT.format(command=" \\\n    ".join(_quoted(each) for each in (program, *arguments)))


def _quoted(word: str) -> str:
    """`word` as systemd reads it back."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if escaped and not any(each in escaped for each in " \t\n\"'\\;"):
        return escaped
    for mark, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        escaped = escaped.replace(mark, written)
    return f'"{escaped}"'
