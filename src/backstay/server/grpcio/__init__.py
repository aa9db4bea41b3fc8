"""The store's calls over grpcio's event loop server."""

from backstay.server.grpcio.options import Listener, TlsFiles, TransportOptions
from backstay.server.grpcio.transport import GrpcTransport
from backstay.server.identity import Identity

__all__ = ["GrpcTransport", "Identity", "Listener", "TlsFiles", "TransportOptions"]
