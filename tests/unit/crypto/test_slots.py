"""Key slots: every recipient opens its own, nobody else's, and age itself opens them too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backstay import errors
from backstay.crypto.sealing import EpochId, EpochKey
from backstay.crypto.slots import (
    AgeIdentity,
    AgeRecipient,
    PassphraseRule,
    SlotContext,
    identity_of,
    open_epoch,
    read_identities,
    recipient_id,
    wrap_epoch,
)
from backstay.errors import BackstayError
from tests import peers

KEY = EpochKey(EpochId(20261124, b"12345678"), bytes(range(32)))
SECRET = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG"
PUBLIC = "age13aqvttdk3ujkyjh9kg2w5an6dmy5mq5a84a4uxk3hfhnugfc9p0sy5p2wh"
REPOSITORY = "ab" * 16
CONTEXT = SlotContext(REPOSITORY, KEY.id)
QUICK = PassphraseRule(bytes(range(16)), iterations=1, lanes=1, memory_kib=64)


def test_an_identity_is_spelled_as_age_spells_it() -> None:
    identity = identity_of(bytes(range(32)))
    assert identity.secret == SECRET
    assert identity.public == PUBLIC
    assert recipient_id(PUBLIC) == "6d152fa9c01105bb"
    assert SECRET not in repr(identity)


def test_a_slot_opens_for_its_recipient_and_for_nobody_else() -> None:
    one, other = identity_of(bytes(32)), identity_of(b"\1" * 32)
    slot = wrap_epoch(KEY, AgeRecipient(one.public), REPOSITORY)
    assert open_epoch(KEY.id, [("age", slot)], [other, one], REPOSITORY) == KEY
    assert open_epoch(KEY.id, [("age", slot)], [other], REPOSITORY) is None
    assert open_epoch(KEY.id, [("vault-transit", slot)], [one], REPOSITORY) is None
    assert open_epoch(KEY.id, [("age", slot[:-1]), ("age", b"")], [one], REPOSITORY) is None
    assert open_epoch(KEY.id, [("age", AgeRecipient(one.public).wrap(b"no key", CONTEXT))], [one], REPOSITORY) is None


def test_a_passphrase_is_an_identity_of_its_own() -> None:
    identity = QUICK.identity("correct horse")
    assert identity.public == "age10cwtny9p45mhkqgkketv249nj9a4jwl4f043slhdzfqqj23mhuysfj803r"
    assert QUICK.identity("correct horsf") != identity
    slot = wrap_epoch(KEY, AgeRecipient(identity.public), REPOSITORY)
    assert open_epoch(KEY.id, [("age", slot)], [QUICK.identity("correct horse")], REPOSITORY) == KEY


@pytest.mark.parametrize(
    "change", [{"memory_kib": 1 << 30}, {"iterations": 10**6}, {"lanes": 0}, {"salt": b""}, {"memory_kib": 1}]
)
def test_a_rule_that_would_take_all_memory_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="passphrase rule"):
        PassphraseRule(**{"salt": bytes(16), **change})  # type: ignore[arg-type]


def test_identities_are_read_from_files_as_age_keygen_writes_them() -> None:
    text = f"# created: today\n# public key: {PUBLIC}\n{SECRET}\n\n"
    assert read_identities(text, "it") == (AgeIdentity(SECRET),)
    with pytest.raises(BackstayError) as raised:
        read_identities(SECRET[:-1] + "Q", "it")
    assert raised.value.kind is errors.IDENTITY_INVALID
    assert "it:1" in str(raised.value)
    assert SECRET[20:-1] not in str(raised.value)
    with pytest.raises(BackstayError):
        read_identities("nothing", "it")


def test_a_secret_given_as_a_recipient_is_not_shown() -> None:
    with pytest.raises(BackstayError) as raised:
        AgeRecipient(SECRET)
    assert raised.value.kind is errors.RECIPIENT_INVALID
    assert SECRET not in str(raised.value)


def test_age_opens_a_slot_by_itself(tmp_path: Path) -> None:
    age = peers.tool("age").program
    (tmp_path / "slot").write_bytes(wrap_epoch(KEY, AgeRecipient(PUBLIC), REPOSITORY))
    (tmp_path / "identity").write_text(SECRET + "\n")
    opened = subprocess.run(
        [age, "-d", "-i", tmp_path / "identity", tmp_path / "slot"], capture_output=True, check=True, timeout=30
    )
    assert opened.stdout == KEY.secret.hex().encode() + b"\n"
