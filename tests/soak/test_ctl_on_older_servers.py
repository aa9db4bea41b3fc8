"""`backstay ctl` says of an etcd 3.4, 3.5 or 3.6 what etcdctl 3.7.3 says of it; `make test` compares them on 3.7.3."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.etcdctl_script import STEPS_WITH_GROWTH, Step
from tests.compat.test_ctl_against_etcdctl import both_tools, closing_together

__all__ = ["closing_together"]

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("version", ("3.4.23", "3.5.35", "3.6.16"))
def test_older_servers_are_shown_as_etcdctl_shows_them(version: str, tmp_path: Path) -> None:
    both_tools([step for step in STEPS_WITH_GROWTH if not is_newer(step)], tmp_path, version)


def is_newer(step: Step) -> bool:
    """Calls that 3.4 does not know, which we explain better; and a lease that 3.4 grants to anybody, with a random id."""
    return (
        "--stream" in step.arguments
        or step.arguments[:2] == ("auth", "status")
        or step.arguments == ("lease", "grant", "100")
    )
