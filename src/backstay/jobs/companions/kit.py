"""The recovery kit: what a restore of a cluster would lack, said while the cluster still lives.

A point that is proven to the last byte brings etcd's data back, and a cluster needs more: somebody who can open it, the keys that
values are encrypted with, the certificates and tokens of the control plane, a second place, the right release of etcd. Each that
is missing is a finding with its remedy. Only what can be looked at is judged: without an identity the contents stay unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backstay.findings import Finding, Severity, declare
from backstay.formats import mvcc
from backstay.jobs.companions.layouts import ENCRYPTION, LAYOUTS, PKI, TOKEN
from backstay.repository import names
from backstay.repository.companions import Listing
from backstay.repository.manifest import Manifest, PointFacts
from backstay.repository.reading import PointReader
from backstay.repository.trust import TrustedRecipient
from backstay.telemetry import Progress

KIT_UNPROVEN = declare(
    "kit-unproven",
    Severity.WARNING,
    "The offline identity was not proven to open the backups, or not for a long time.",
    "type it in from the paper and run `backstay recipient test REPO --identity FILE`",
)
KIT_NO_SLOT = declare(
    "kit-no-slot",
    Severity.WARNING,
    "A recipient cannot open the newest point: it has no slot of its epoch.",
    "run `backstay recipient rewrap REPO --identity FILE`",
)
KIT_SEALED = declare(
    "kit-sealed",
    Severity.NOTE,
    "No identity opens the newest point, so nobody looked whether its values are encrypted and which companions it has.",
    "give an identity with --identity FILE or BACKSTAY_IDENTITY",
)
KIT_PKI_MISSING = declare(
    "kit-pki-missing",
    Severity.WARNING,
    "The certificate authorities of the cluster are not with the backup: with the hosts lost, every certificate and kubeconfig "
    "would have to be made anew.",
    "back up with --with-companions kubeadm, k3s or rke2",
)
KIT_ENCRYPTION_MISSING = declare(
    "kit-encryption-missing",
    Severity.ERROR,
    "Values in the backup are encrypted by the API server, and its EncryptionConfiguration is not with it: with the hosts lost, "
    "nobody could read them.",
    "back up with --with-companions on a control-plane node, or keep the configuration elsewhere and prove that you can find it",
)
KIT_NEEDS_SERVICE = declare(
    "kit-needs-service",
    Severity.NOTE,
    "Values in the backup are encrypted with a key of a key-management service: a restore needs that service and its key too.",
    "make sure that the key outlives the cluster",
)
KIT_TOKEN_MISSING = declare(
    "kit-token-missing",
    Severity.ERROR,
    "The server token of k3s or RKE2 is not with the backup: the bootstrap data in etcd is encrypted with it.",
    "back up with --with-companions k3s (or rke2) as root on a server",
)
KIT_COPIES_FEW = declare(
    "kit-copies-few",
    Severity.WARNING,
    "The configured copies do not keep the 3-2-1 rule.",
    "add places to backstay.toml; `backstay config explain` says what each cluster is promised",
)
KIT_RELEASE_UNKNOWN = declare(
    "kit-release-unknown",
    Severity.NOTE,
    "The backup does not say which release of etcd it came from.",
    "write it down; `backstay serve` reads the point whatever it was",
)

_MAGIC = b"k8s:enc:"
PROVEN_WITHIN = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Kit:
    """What is there for a restore of one cluster's newest point. None where nobody could look."""

    point: Manifest
    facts: PointFacts | None
    recipients: tuple[TrustedRecipient, ...]
    proven: Mapping[str, datetime]
    with_slot: frozenset[str]
    companions: Listing | None
    providers: frozenset[str] | None
    missing_copies: tuple[str, ...] | None

    @property
    def release(self) -> str:
        """The release of etcd that the point came from; empty where it is not known."""
        return self.facts.source.get("version", "") if self.facts is not None else ""

    @property
    def kinds(self) -> frozenset[str]:
        """What kinds of companions there are."""
        return frozenset(each.kind for each in self.companions.files) if self.companions is not None else frozenset()


def slots_of_epoch(slot_names: Sequence[str], point: Manifest) -> frozenset[str]:
    """The recipients who have a slot of the epoch that a point's manifest is sealed in."""
    epochs = {names.slot_epoch(slot.name) for slot in point.slots}
    found = (names.slot_recipient(name) for name in slot_names if names.slot_epoch(name) in epochs)
    return frozenset(each for each in found if each is not None)


def encryption_providers(point: PointReader, progress: Progress) -> frozenset[str]:
    """Which providers of encryption at rest the values of a point were written by, such as `aescbc` or `kms`."""
    progress.begin("looking for encrypted values", None)
    found: set[str] = set()
    for record in point.state():
        progress.advance(len(record.value))
        if _MAGIC in record.value:
            value = mvcc.decode_key_value(record.value).value
            if value.startswith(_MAGIC):
                found.add(value[len(_MAGIC) :][:40].split(b":")[0].decode("ascii", "replace"))
    return frozenset(found)


def judge(kit: Kit, *, now: datetime, within: timedelta = PROVEN_WITHIN) -> tuple[Finding, ...]:
    """What a restore would lack."""
    found: list[Finding] = []
    for recipient in kit.recipients:
        proven = kit.proven.get(recipient.id)
        if recipient.offline and (proven is None or now - proven > within):
            found.append(
                KIT_UNPROVEN.at(recipient.label, "never proven" if proven is None else f"proven {proven:%Y-%m-%d}")
            )
        if recipient.id not in kit.with_slot:
            found.append(KIT_NO_SLOT.at(recipient.label, f"no slot of the epoch of {kit.point.id}"))
    if kit.missing_copies:
        found.append(KIT_COPIES_FEW.at(kit.point.cluster, "; ".join(kit.missing_copies)))
    if kit.facts is None:
        return (*found, KIT_SEALED.at(kit.point.id, "its content is sealed"))
    return (*found, *_judge_contents(kit))


def _judge_contents(kit: Kit) -> list[Finding]:
    found: list[Finding] = []
    where = kit.point.id
    layouts = set(kit.companions.layouts) if kit.companions is not None else set()
    if PKI not in kit.kinds:
        found.append(
            KIT_PKI_MISSING.at(where, "no companions" if kit.companions is None else "no certificates among them")
        )
    if kit.providers:
        text = ", ".join(sorted(kit.providers))
        if ENCRYPTION not in kit.kinds:
            found.append(KIT_ENCRYPTION_MISSING.at(where, f"values are encrypted by {text}"))
        if "kms" in kit.providers:
            found.append(KIT_NEEDS_SERVICE.at(where, f"values are encrypted by {text}"))
    for name in sorted(layouts & {each.name for each in LAYOUTS.values() if TOKEN in each.needed}):
        if TOKEN not in kit.kinds:
            found.append(KIT_TOKEN_MISSING.at(where, f"{name} has no token among the companions"))
    if not kit.release:
        found.append(KIT_RELEASE_UNKNOWN.at(where, "made from a file or a directory"))
    return found
