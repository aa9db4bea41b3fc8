"""How a kube command opens the Kubernetes objects of a SOURCE: the one home of these options.

    @kube_options                                          -> kube: KubeSettings
    with kube.open(source, reporting) as objects:          an `Objects`, closed at the end of the block
    with kube.open(other, reporting, at="...") as second:  another one; `at` instead of what --at said
    with kube.both(first, second, reporting) as (a, b):    two, of which only repositories get --at and --cluster

SOURCE is a snapshot file, a data directory, `live`, or a repository (also `REPO@POINT`). Of a repository --at says the point;
of everything else it is a revision.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay import errors
from backstay.cli.groups import CommandBody, Option
from backstay.cli.options import attach
from backstay.cli.reporting import Reporting
from backstay.cli.sources import Sources, find_repository, source_options
from backstay.values import Revision

if TYPE_CHECKING:
    from backstay.kube.encryption import Decryption
    from backstay.sources.objects import Objects

KUBERNETES = "Kubernetes"


@dataclass(frozen=True, slots=True)
class KubeSettings:
    """What was said about how the objects of a source are read."""

    sources: Sources
    revision: int = 0
    encryption_config: Path | None = None
    kms_keys: Path | None = None
    kms_socket: str = ""
    kubernetes_version: str = ""
    prefixes: tuple[str, ...] = ()

    @contextmanager
    def open(self, source: str, reporting: Reporting, *, at: str | None = None) -> Iterator[Objects]:
        """The objects of `source`. Raises as `Sources.open` does, and `ENCRYPTION_CONFIG_INVALID`."""
        from backstay.kube.release import Release
        from backstay.sources.objects import Settings, open_objects

        wanted = self.sources.at if at is None else at
        revision = self.revision if at is None else 0
        if wanted.isdigit() and find_repository(source, self.sources.access) is None:
            wanted, revision = "", int(wanted)
        release = Release.parse(self.kubernetes_version) if self.kubernetes_version else None
        settings = Settings(Revision(revision), self.decryption(), release, self.prefixes)
        with self.sources.open(source, reporting, at=wanted) as opened, open_objects(opened, settings) as objects:
            yield objects

    @contextmanager
    def both(
        self,
        first: str,
        second: str,
        reporting: Reporting,
        *,
        at_first: str | None = None,
        at_second: str | None = None,
    ) -> Iterator[tuple[Objects, Objects]]:
        """The objects of two sources. Raises as `open` does.

        What --cluster and --at say is meant for the repository among them; of two, --cluster is for both and --at for the
        first. Only where neither is a repository they are refused as usual. `at_first`, `at_second` go before --at.
        """
        access = self.sources.access
        is_first, is_second = (find_repository(each, access) is not None for each in (first, second))
        plain = replace(self, sources=replace(self.sources, at="", cluster=""))
        left = plain if is_second and not is_first else self
        right = replace(plain if is_first and not is_second else self, revision=0)
        if at_second is None and (is_first or not is_second):
            at_second = ""
        with (
            left.open(first, reporting, at=at_first) as before,
            right.open(second, reporting, at=at_second) as after,
        ):
            yield before, after

    def decryption(self) -> Decryption | None:
        """The providers of --encryption-config, None where it was not given. Raises `ENCRYPTION_CONFIG_INVALID`."""
        return decryption_of(self.encryption_config, self.kms_keys, self.kms_socket)


def decryption_of(configuration: Path | None, kms_keys: Path | None = None, kms_socket: str = "") -> Decryption | None:
    """The providers of an EncryptionConfiguration, None without one. Raises `ENCRYPTION_CONFIG_INVALID`, `USAGE`."""
    from backstay.kube.encryption import plugin_at, read_configuration, read_local_keys

    if configuration is None:
        if kms_keys is not None or kms_socket:
            raise errors.USAGE.error(
                "keys for KMS need the configuration that names the provider",
                next_step="add --encryption-config FILE",
            )
        return None
    local = read_local_keys(_text(kms_keys), str(kms_keys)) if kms_keys is not None else None
    socket = kms_socket
    if socket and "://" not in socket:
        socket = f"unix://{Path(socket).absolute()}"
    return read_configuration(
        _text(configuration),
        str(configuration),
        local=local,
        connect=(lambda endpoint, version: plugin_at(socket or endpoint, version)) if local is None or socket else None,
    )


def kube_options(function: CommandBody) -> CommandBody:
    """Add the options that say how Kubernetes objects are read; the body gets `kube`."""

    @functools.wraps(function)
    def with_kube(*arguments: Any, **values: Any) -> int | None:
        said = {name: values.pop(name) for name in ("revision", "encryption_config", "kms_keys", "kms_socket")}
        said["kubernetes_version"] = values.pop("kubernetes_version")
        kube = KubeSettings(values.pop("sources"), prefixes=values.pop("prefix"), **said)
        return function(*arguments, kube=kube, **values)

    import click

    file = click.Path(path_type=Path, dir_okay=False)
    parameters = [
        Option(["--revision", "--rev"], type=click.IntRange(min=0), default=0, section=KUBERNETES,
               help="As of this revision of etcd; 0 is the newest."),
        Option(["--encryption-config"], type=file, metavar="FILE", section=KUBERNETES,
               help="The API server's --encryption-provider-config, to open what is encrypted at rest."),
        Option(["--kms-keys"], type=file, metavar="FILE", section=KUBERNETES,
               help="Keys for values of KMS: `keys` by key id, or `unwrapped` by wrapped key."),
        Option(["--kms-socket"], default="", metavar="SOCKET", section=KUBERNETES,
               help="The plugin's socket, where it is not the one of the configuration."),
        Option(["--kubernetes-version"], default="", metavar="1.34", section=KUBERNETES,
               help="Show objects as this release does; told from the data unless given."),
        Option(["--prefix"], multiple=True, metavar="/registry", section=KUBERNETES,
               help="The API server's --etcd-prefix; the usual ones are found."),
    ]  # fmt: skip
    return source_options(attach(with_kube, parameters))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as problem:
        raise errors.SOURCE_UNREADABLE.error(
            f"cannot read `{path}`", where=str(path), why=problem.strerror or ""
        ) from problem  # fmt: skip
    except UnicodeDecodeError as problem:
        raise errors.ENCRYPTION_CONFIG_INVALID.error("the file is no text", where=str(path)) from problem
