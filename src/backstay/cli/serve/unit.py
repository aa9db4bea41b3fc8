"""A systemd unit for exactly the flags that were given: printed, never installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from backstay.deploy.systemd import quoted

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
# What relative paths begin at, as where this was written.
WorkingDirectory={directory}
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


def systemd_unit(program: Sequence[str], arguments: Sequence[str], directory: Path) -> str:
    """The unit that runs `program` with `arguments` in `directory`, which is absolute, as the first word of `program` is."""
    command = " \\\n    ".join(quoted(each) for each in (*program, *arguments))
    return _UNIT.format(command=command, directory=str(directory).replace("%", "%%"))


def program_of(arguments: Sequence[str], python: str) -> tuple[str, ...]:
    """How systemd, which has no PATH to look in, starts the program whose `sys.argv` is `arguments`."""
    if arguments[0].endswith("__main__.py"):
        return (python, "-m", "backstay")
    return (os.path.abspath(shutil.which(arguments[0]) or arguments[0]),)
