"""Calls in, replies and log entries out: every service of etcd over one engine, one file per service.

`handler.StoreHandler` is where to begin; it hands each call to its service. A service decodes, asks the engine, encodes;
what it may not do is wait: long work is done elsewhere and comes back through `Transport.post`.
"""

from backstay.server.handler.handler import StoreHandler
from backstay.server.handler.hosting import Hosting, ServedMember, Sizes

__all__ = ["Hosting", "ServedMember", "Sizes", "StoreHandler"]
