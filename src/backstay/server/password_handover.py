"""Passwords across the border to etcd 3.4, which writes them to its log in clear text and cannot read ours, which are hashed.

    a log of 3.4    UserAdd{password: "wonderland"}       hashed at opening, and journalled once more as 3.5 and newer do
    a log of ours   UserAdd{hashedPassword: "JDJh..."}    3.4 would see an empty password: `stand_in` closes that door,
                                                          and a store that stops moves passwords into its base file

Called by the runner and the handler. From 3.5 on a hash in an entry counts and a password beside it does not.
"""

from __future__ import annotations

import base64
import logging

from backstay.errors import BackstayError
from backstay.formats import requests, schema
from backstay.formats.directory import WAL
from backstay.formats.requests import Request, encode_request
from backstay.formats.schema import decode_user
from backstay.store.apply import apply_request
from backstay.store.apply.permissions import ROOT
from backstay.store.durable import DurableStore
from backstay.store.durable.replay import bodies, consistent_index, read_segments
from backstay.store.tokens import PasswordHashes

STAND_IN_LENGTH = 60
"""Within the 72 bytes that bcrypt takes."""

_log = logging.getLogger(__name__)


def stand_in(hashed: str) -> str:
    """What an entry says beside a hash, for 3.4 to take for the password: nobody knows it who does not know the hash."""
    return hashed[:STAND_IN_LENGTH]


def hash_clear_passwords(store: DurableStore, passwords: PasswordHashes) -> None:
    """Give the users whose passwords the log holds in clear text their hashes, durably, before anybody is served."""
    users = store.state.access.users
    waiting = {name for name in store.state.access.unhashed if name in users and not users[name].password}
    if not waiting:
        return
    clear = {}
    for body in bodies(read_segments(store.member_directory / WAL, consistent_index(store.database)).entries):
        if isinstance(body, requests.UserAdd | requests.UserChangePassword) and body.password:
            clear[body.name] = body.password
    for name in sorted(waiting & clear.keys()):
        hashed = base64.b64encode(passwords.hash(clear[name])).decode()
        access = store.state.access
        asks = (ROOT, access.revision) if access.enabled else ("", 0)
        body = requests.UserChangePassword(name, stand_in(hashed), hashed)
        request = Request(body, store.journal.last_index + 1, *asks)
        if apply_request(store.state, request).refused is None:
            store.submit([encode_request(request)], _ignore)
            store.journal.append([])
    store.state.access.unhashed.clear()
    _log.info("passwords that a log of 3.4 held in clear text were hashed")


def has_passwords_in_log_alone(store: DurableStore) -> bool:
    """Whether the base file lacks a password that was set since."""
    bucket = store.database.bucket(schema.AUTH_USERS)
    based = (
        {key.decode(errors="replace"): decode_user(value).password for key, value in bucket.items()} if bucket else {}
    )
    return any(user.password and based.get(name) != user.password for name, user in store.state.access.users.items())


def _ignore(failure: BackstayError | None) -> None:
    """The entry is durable when `append` returns."""
