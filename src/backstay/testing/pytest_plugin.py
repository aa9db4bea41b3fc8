"""Fixtures for pytest, there as soon as backstay is installed: `etcd`, and `etcd_factory` for anything else.

    def test_a_key_is_kept(etcd):
        with etcd.client() as client:
            client.kv.put(b"a", b"1")
            assert client.kv.get(b"a").value == b"1"

pytest imports this in every run of an environment, used or not: nothing of backstay is imported before a fixture is asked
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from backstay.testing.etcd import Etcd


@pytest.fixture
def etcd(etcd_factory: Callable[..., Etcd]) -> Etcd:
    """A fresh etcd of its own for this test, on a thread of this process: there in milliseconds, gone afterwards."""
    return etcd_factory(in_process=True)


@pytest.fixture
def etcd_factory() -> Iterator[Callable[..., Etcd]]:
    """A function that starts an etcd; it takes what `backstay.testing.Etcd` takes. All of them end with the test."""
    from backstay.testing.etcd import Etcd

    with ExitStack() as started:

        def start(*arguments: Any, **settings: Any) -> Etcd:
            return started.enter_context(Etcd(*arguments, **settings))

        yield start
