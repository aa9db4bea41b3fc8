"""How to have a cluster encrypted at rest: a configuration with a fresh key, and the steps to it, exact enough to copy.

resources: [secrets]
providers:
- secretbox: {keys: [{name: key-20261125, secret: <fresh>}]}
- aescbc: {keys: [...]}            what the present configuration has, so that it can be read
- identity: {}                     what is plain can be read until it is written again
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstay import errors
from backstay.kube.audit.encryption import rewrite_command
from backstay.kube.encryption.providers import KEY_SIZES

PROVIDERS = tuple(sorted(KEY_SIZES, reverse=True))
"""Those that need no service; secretbox is the first choice, as aescbc proves nothing and aesgcm may not write often."""

PLACE = "/etc/kubernetes/encryption.yaml"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Remedy:
    """A configuration as text, which holds a key, and the steps, which do not."""

    configuration: str
    steps: tuple[str, ...]


def encryption_remedy(
    resources: Sequence[str], provider: str, now: datetime, random_bytes: Callable[[int], bytes], *, present: str = ""
) -> Remedy:
    """What encrypts `resources` (`secrets`, `widgets.example.com`) with a fresh key of `provider`.

    `present` is the configuration that the API server has: its resources stay in it, and its providers stay able to read.
    Raises `USAGE` for a provider that is none of `PROVIDERS`, `ENCRYPTION_CONFIG_INVALID` for a present one that is none.
    """
    import yaml

    if provider not in PROVIDERS:
        raise errors.USAGE.error(f"{provider!r} is no provider", next_step=f"choose one of {', '.join(PROVIDERS)}")
    key = {"name": f"key-{now:%Y%m%d%H%M%S}", "secret": base64.b64encode(random_bytes(_KEY_BYTES)).decode()}
    first: dict[str, Any] = {provider: {"keys": [key]}}
    entries, left = [], [each for each in dict.fromkeys(resources)]
    for entry in _entries(present):
        named = entry["resources"]
        older = [each for each in entry["providers"] if "identity" not in each]
        entries.append({"resources": named, "providers": [first, *older, {"identity": {}}]})
        left = [each for each in left if each not in named]
    if left:
        entries.insert(0, {"resources": left, "providers": [first, {"identity": {}}]})
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": entries,
    }
    every = [name for entry in entries for name in entry["resources"]]

    class Plain(yaml.SafeDumper):
        """Without references from one entry to another, which nobody expects in such a file."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(document, Dumper=Plain, sort_keys=False)
    return Remedy(text, tuple(_steps(every)))


def _entries(present: str) -> list[dict[str, Any]]:
    import yaml

    if not present:
        return []
    document = yaml.safe_load(present)
    entries: list[dict[str, Any]] = document["resources"]
    return entries


def _steps(resources: Sequence[str]) -> list[str]:
    flag = f"--encryption-provider-config={PLACE}"
    return [
        f"Copy the file to {PLACE} on every control-plane node: owner root, mode 0600. Keep a copy where etcd's backups are NOT: "
        "without its key no backup of this etcd can be read.",
        "With several API servers: first a round with the new provider in second place, so that all can read it; then this file.",
        f"Give kube-apiserver the flag {flag} and mount the file (kubeadm: /etc/kubernetes/manifests/kube-apiserver.yaml), "
        "one node after the other; wait for `kubectl get --raw /readyz` each time.",
        *(f"Write what is stored again: {rewrite_command(each)}" for each in resources if "*" not in each),
        *(
            f"Write again every resource that {each} means, in the same way: kubectl get RESOURCE --all-namespaces -o json | "
            "kubectl replace -f -"
            for each in resources
            if "*" in each
        ),
        "Take the old revisions out of etcd: "
        "backstay ctl compaction $(backstay ctl endpoint status -w fields | awk '/\"Revision\"/ {print $3; exit}') && "
        "backstay ctl defrag --cluster",
        f"See that nothing is left: backstay kube audit live --encryption-config {PLACE}",
        "Let go of backups from before, or keep them where secrets are kept: they hold everything plain.",
    ]
