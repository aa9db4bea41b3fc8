"""A deployment with a bit of everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from backstay.deploy.deployment import Deployment

PKI = PurePosixPath("/etc/kubernetes/pki/etcd")


def deployment(**changes: Any) -> Deployment:
    """Of a cluster of tier critical with a copy on the host and one in S3."""
    usual = Deployment(
        cluster="payments-fra",
        configuration="[clusters.payments-fra]\n",
        minutes=1,
        longest=timedelta(minutes=15),
        state=PurePosixPath("/var/lib/backstay"),
        pki=(PKI / "ca.crt", PKI / "healthcheck-client.crt", PKI / "healthcheck-client.key"),
        places=(PurePosixPath("/srv/backups"),),
        credentials=("s3",),
        metrics=PurePosixPath("/var/lib/node_exporter"),
    )
    return replace(usual, **changes)
