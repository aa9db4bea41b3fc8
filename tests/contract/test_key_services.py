"""Key services as recipients: what they wrap opens for its repository and epoch alone; a dead one costs nobody else.

Vault's Transit is HashiCorp's own engine where `make peers` could build it (keys in memory, two tokens instead of policies),
beside a stand-in that follows its reference; AWS KMS is a stand-in always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from backstay import errors
from backstay.crypto.key_services import KeyServices, recipient_type
from backstay.crypto.sealing import EpochId, EpochKey
from backstay.crypto.slots import SlotContext, open_epoch, wrap_epoch
from backstay.errors import BackstayError
from tests import peers
from tests.backing_up import small_history
from tests.cli.test_repository import Desk
from tests.etcd_process import free_ports
from tests.key_service_stand_ins import AwsKmsStandIn, VaultStandIn
from tests.transit import TransitServer

KEY = EpochKey(EpochId(20261125, b"12345678"), bytes(range(32)))
REPOSITORY = "ab" * 16


@dataclass(frozen=True)
class Service:
    """A recipient, what an agent's environment says, and what an operator's does."""

    public: str
    agent: Mapping[str, str]
    operator: Mapping[str, str]


@contextmanager
def vault_stand_in(directory: Path) -> Iterator[Service]:
    with VaultStandIn() as vault:
        yield Service(vault.public, vault.environment(vault.AGENT), vault.environment(vault.OPERATOR))


@contextmanager
def transit(directory: Path) -> Iterator[Service]:
    with TransitServer(peers.tool("transit"), directory) as server:
        yield Service(server.public, {"VAULT_TOKEN": server.AGENT}, {"VAULT_TOKEN": server.OPERATOR})


@contextmanager
def aws(directory: Path) -> Iterator[Service]:
    with AwsKmsStandIn() as kms:
        yield Service(kms.PUBLIC, kms.environment, kms.environment)


@pytest.fixture(params=[vault_stand_in, transit, aws], ids=lambda opened: opened.__name__)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with request.param(tmp_path) as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def found_with(desk: Desk, service: Service) -> None:
    made = ("init", desk.place, "--recipient", f"keys={service.public}", "--recovery-kit", desk.kit)
    assert desk.run(*made, **service.agent) == 0, desk.err


def backed_up(desk: Desk, **environment: str) -> int:
    return desk.run("backup", desk.place, "--from", small_history().file(desk.directory / "one.db"), **environment)


def test_a_slot_opens_for_its_repository_and_epoch_alone(service: Service) -> None:
    kind = recipient_type(service.public)
    agent = KeyServices(service.agent).service(kind, service.public)
    operator = KeyServices(service.operator).service(kind, service.public)
    slot = wrap_epoch(KEY, agent, REPOSITORY)
    assert KEY.secret.hex().encode() not in slot
    assert open_epoch(KEY.id, [(kind, slot)], [operator], REPOSITORY) == KEY
    assert open_epoch(KEY.id, [(kind, slot)], [operator], "cd" * 16) is None
    assert open_epoch(EpochId(20261125, b"87654321"), [(kind, slot)], [operator], REPOSITORY) is None
    context = SlotContext(REPOSITORY, KEY.id)
    for other in (slot[:-4] + b"AAAA", slot[:20], b"", b"vault:v1:", b"vault:v1:AAAA", bytes(200)):
        assert operator.unwrap(other, context) is None, other


def test_backups_are_read_through_the_service_and_the_agent_cannot(desk: Desk, service: Service) -> None:
    found_with(desk, service)
    assert backed_up(desk, **service.agent) == 0, desk.err
    target = desk.directory / "out.db"
    if service.agent != service.operator:
        assert desk.run("restore", desk.place, "--to", target, "-i", "kms", **service.agent) == 7
        assert "denied" in desk.err
        assert not target.exists()
    assert desk.run("restore", desk.place, "--to", target, **service.operator) == 7  # asked for by nobody
    assert desk.run("restore", desk.place, "--to", target, "-i", "kms", **service.operator) == 0, desk.err
    proven = desk.json("recipient", "test", desk.place, BACKSTAY_IDENTITY="kms", **service.operator)
    assert [(each["label"], each["opened"]) for each in proven["recipients"]] == [("keys", 1)]
    everything = [path.read_bytes() for path in desk.directory.rglob("*") if path.is_file()]
    for secret in {*service.agent.values(), *service.operator.values()}:
        if not secret.startswith(("http:", "AKID")):
            assert not any(secret.encode() in each for each in everything)


def test_a_dead_service_costs_neither_a_backup_nor_a_restore(desk: Desk, service: Service, tmp_path: Path) -> None:
    found_with(desk, service)
    (port,) = free_ports(1)
    dead = {"AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{port}"}
    if service.public.startswith("vault:"):
        # The address is part of the recipient: a token that is refused is what can be had while it lives.
        dead = {"VAULT_TOKEN": "expired"}
    assert backed_up(desk, **{**service.agent, **dead}) == 3
    assert "slot-missing" in desk.err
    assert len(list((desk.place / "keys").rglob("*.age"))) == 1
    # Whoever has another identity reads; whoever has only the service is told what it said, and gets nothing.
    target = desk.directory / "out.db"
    broken = {**service.operator, **dead}
    assert desk.run("restore", desk.place, "--to", target, "-i", "kms", **broken) == 7
    assert not target.exists()
    assert desk.run("restore", desk.place, "--to", target, "-i", "kms", "-i", desk.kit, **broken) == 0, desk.err
    assert desk.run("verify", desk.place, "--level", "intact") == 0
    # Once it lives again the past is caught up with.
    assert desk.run("recipient", "rewrap", desk.place, "-i", desk.kit, **broken) == 7
    assert desk.json("recipient", "rewrap", desk.place, "-i", desk.kit, **service.agent)["added"] == 1
    second = desk.directory / "again.db"
    assert desk.run("restore", desk.place, "--to", second, "-i", "kms", **service.operator) == 0, desk.err
    assert second.read_bytes() == target.read_bytes()


def test_a_missing_slot_and_a_removed_recipient_are_clear_errors_without_output(desk: Desk, service: Service) -> None:
    found_with(desk, service)
    assert backed_up(desk, **service.agent) == 0
    target = desk.directory / "out.db"
    restore = ("restore", desk.place, "--to", target)
    kept = {path: path.read_bytes() for path in (desk.place / "keys").rglob("*") if path.is_file()}
    (slot,) = [path for path in kept if path.suffix != ".age"]
    slot.unlink()
    assert desk.run(*restore, "-i", "kms", **service.operator) == 7
    assert not target.exists()
    assert desk.run("verify", desk.place, "--level", "listed") == 4
    slot.write_bytes(kept[slot])
    add = ("recipient", "add", desk.place, "more", "age13aqvttdk3ujkyjh9kg2w5an6dmy5mq5a84a4uxk3hfhnugfc9p0sy5p2wh")
    assert desk.run(*add, "--root-key", desk.kit, "-i", desk.kit, **service.agent) == 0, desk.err
    assert desk.run("recipient", "remove", desk.place, "keys", "--root-key", desk.kit, "--remove-slots") == 0
    assert desk.run(*restore, "-i", "kms", **service.operator) == 7
    assert not target.exists()
    assert desk.run(*restore, "-i", desk.kit) == 0, desk.err


def test_a_service_is_asked_before_it_becomes_a_recipient(desk: Desk, service: Service) -> None:
    wrong = {
        name: f"wrong-{value}" if name != "AWS_ENDPOINT_URL_KMS" else value for name, value in service.agent.items()
    }
    made = ("init", desk.place, "--recipient", service.public, "--recovery-kit", desk.kit)
    assert desk.run(*made, **wrong) == 7
    assert desk.run(*made) == 7
    assert list(desk.place.iterdir()) == []
    assert not desk.kit.exists()


@pytest.mark.parametrize(
    ("public", "why"),
    [
        ("vault:http://vault.example.org:8200/transit/backstay", "plain http"),
        ("vault:https://user:word@vault.example.org/transit/backstay", "URL"),
        ("vault:https://vault.example.org:8200/backstay", "MOUNT/KEY"),
        ("vault:https://vault.example.org/transit/../sys/seal", "MOUNT/KEY"),
        ("vault:https://vault.example.org/transit/key%2e", "MOUNT/KEY"),
        ("aws-kms:alias/backstay", "arn:"),
        ("aws-kms:arn:aws:s3:eu-central-1:111122223333:key/x", "arn:"),
    ],
)
def test_what_names_no_key_of_a_service_is_refused(desk: Desk, public: str, why: str) -> None:
    assert desk.run("init", desk.place, "--recipient", public, "--recovery-kit", desk.kit) == 2
    assert why in desk.err
    assert list(desk.place.iterdir()) == []


def test_a_service_that_is_dead_is_asked_once() -> None:
    (port,) = free_ports(1)
    services = KeyServices({"VAULT_TOKEN": "x"})
    public = f"vault:http://127.0.0.1:{port}/transit/backstay"
    assert services.service("vault-transit", public) is services.service("vault-transit", public)
    raised = []
    for _ in range(2):
        with pytest.raises(BackstayError) as caught:
            services.service("vault-transit", public).wrap(b"x", SlotContext(REPOSITORY, KEY.id))
        raised.append(caught.value)
    assert raised[0] is raised[1]
    assert raised[0].kind is errors.KEY_SERVICE_FAILED
