"""The store's calls over grpcio's event loop server."""

from backstay.server.grpcio.options import CallOptions, TransportOptions
from backstay.server.grpcio.transport import GrpcTransport
from backstay.server.identity import Identity
from backstay.server.listeners import Listener

__all__ = ["CallOptions", "GrpcTransport", "Identity", "Listener", "TransportOptions"]
