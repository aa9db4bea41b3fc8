"""Calls to key services that never leave this host: credentials and addresses that cannot be."""

from __future__ import annotations

import traceback

import pytest

from backstay import errors
from backstay.crypto.key_services.vault import VaultTransit
from backstay.crypto.sealing import EpochId
from backstay.crypto.slots import SlotContext
from backstay.errors import BackstayError

CONTEXT = SlotContext("0" * 32, EpochId(0, bytes(8)))
TOKEN = "planted-canary"


def test_a_token_that_no_header_can_hold_is_refused_and_never_shown() -> None:
    environment = {"VAULT_TOKEN": f"{TOKEN}\nmore"}
    vault = VaultTransit("vault:http://127.0.0.1:9/transit/k", environment)
    with pytest.raises(BackstayError) as raised:
        vault.wrap(b"key", CONTEXT)
    assert raised.value.kind is errors.KEY_SERVICE_FAILED
    assert TOKEN not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "https://[zz"])
def test_an_address_that_cannot_be_is_no_recipient(address: str) -> None:
    with pytest.raises(BackstayError) as raised:
        VaultTransit(f"vault:{address}/transit/k", {})
    assert raised.value.kind is errors.RECIPIENT_INVALID
