"""Every flag that real etcds print in their help stands in our table, with their default."""

from __future__ import annotations

import re
import subprocess

from backstay.server.settings import FLAGS, RENAMED
from tests.peers import Peer

FLAG = re.compile(r"^  --([a-z0-9-]+)(?: '?(.*?)'?)?$", re.MULTILINE)
DIFFERENT_DEFAULTS = {"enable-grpc-gateway", "memory-mlock"}
"""Switches whose help names no default."""


def helped(peer: Peer) -> dict[str, str]:
    said = subprocess.run([str(peer.etcd), "--help"], capture_output=True, text=True, check=False, timeout=30)
    return {name: default for name, default in FLAG.findall(said.stdout + said.stderr)}


def test_every_flag_of_every_release_is_supported_accepted_or_refused_by_name(etcd_peer: Peer) -> None:
    flags = helped(etcd_peer)
    assert len(flags) > 70
    unknown = flags.keys() - FLAGS.keys() - RENAMED.keys() - {"config-file", "version"}
    assert not unknown


def test_the_defaults_are_those_of_the_newest_release(newest_peer: Peer) -> None:
    different = {
        name: (default, FLAGS[name].default)
        for name, default in helped(newest_peer).items()
        if name in FLAGS and name not in DIFFERENT_DEFAULTS and default != FLAGS[name].default
    }
    assert not different
