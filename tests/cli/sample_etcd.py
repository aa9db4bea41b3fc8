"""The sample with etcd's exit statuses, as a module of its own because the table names modules."""

from __future__ import annotations

from tests.cli.samples import etcd_sample as command

__all__ = ["command"]
